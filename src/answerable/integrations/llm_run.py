"""One call of a model for one case: built, sent once, and its raw reply read; every message is kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from answerable.decisions.answer import Answer, Usage
from answerable.decisions.case import Case
from answerable.decisions.decider import Asked
from answerable.encoding import MICRO
from answerable.errors import Denied
from answerable.failures.fault import Fault, Faulted
from answerable.failures.masking import masked
from answerable.failures.remote import Price
from answerable.failures.translate import fault_of
from answerable.integrations.llm_beliefs import beliefs_of, recovered
from answerable.integrations.llm_models import Models, Source
from answerable.integrations.llm_output import BadReply, Shape, open_names, read_reply, shape_of
from answerable.integrations.llm_prices import listed_cost, listed_window, response_cost
from answerable.integrations.llm_prompt import NoRoom, Prompt, Wording
from answerable.integrations.llm_tools import RESULT_BYTES, BadCall, Tool
from answerable.integrations.llm_wire import (
    Seen,
    clean,
    count,
    ended,
    safe,
    seen_now,
    strange_reply,
    without_key,
)

OUTPUT_TOOL = "final_result"
MAX_TOKENS = 1024  # of a reply, unless the settings say otherwise: without it no call has an upper bound
_MOST_COST = 1 << 61  # what a record can hold
OVERHEAD_TOKENS = 512  # of chat templates and what a provider adds to a request


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """One llm decider as declared. window: tokens the model takes at once; None: not said."""

    source: Source
    models: Models
    text: str
    settings: Mapping[str, Any]
    mode: str
    price: Price | None
    window: int | None
    tools: tuple[Tool, ...]
    max_calls: int
    measured: str
    reason: bool
    timeout: float | None

    @property
    def max_tokens(self) -> int:
        """Tokens that the first call's reply may have."""
        return int(self.settings.get("max_tokens", MAX_TOKENS))


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A decider made ready for one decision: `run` of its Decider."""

    spec: Spec
    asked: Asked
    wording: Wording

    async def __call__(self, case: Case[Any]) -> Answer[Any]:
        """Ask once. Raises Faulted for everything that is no answer, with what was said so far."""
        return await Attempt(asking=self, case=case).made()

    def most(self, case: Case[Any]) -> Usage:
        """Return what one call for `case` can consume at most: no token is shorter than a byte."""
        try:
            prompt, shape = self.prompt(case), self.shape(case)
        except NoRoom:
            return Usage()  # no call will be made
        # The question stands beside the schema too, in every form in which one is sent.
        beside = f"{self.asked.question}{self.asked.output.__name__}"
        once = prompt.size + self.schema_size(shape.names) + len(beside.encode()) + OVERHEAD_TOKENS
        tokens_out = self.max_tokens(case)
        if not self.spec.tools:
            tokens_in = once
        else:
            once += sum(len(json.dumps(t.schema).encode()) + len(t.about.encode()) for t in self.spec.tools)
            most = self.spec.max_calls
            tokens_in = max(_loop(once, asks, most - asks, tokens_out) for asks in range(1, most + 1))
            tokens_out *= most
        return Usage(cost=self.cost(tokens_in, tokens_out) or 0, tokens_in=tokens_in, tokens_out=tokens_out)

    def cost(self, tokens_in: int, tokens_out: int) -> int | None:
        """Return micro-units of the decision's currency; None where no price is known."""
        if self.spec.price is not None:
            return self.spec.price.cost(tokens_in, tokens_out)
        if self.spec.source.local:
            return 0
        dollars = self.asked.stakes.currency == "USD"
        return listed_cost(self.spec.source, tokens_in, tokens_out) if dollars else None

    def max_tokens(self, case: Case[Any]) -> int:
        """Return how long the reply may be: twice as long after each one that was cut off."""
        return self.spec.max_tokens << sum(fault.category == "truncated" for fault in case.faults)

    def prompt(self, case: Case[Any]) -> Prompt:
        """Return what is sent. Raises NoRoom."""
        room = None
        if self.window is not None:
            kept = min(self.max_tokens(case), self.window // 2)
            room = self.window - kept - len(json.dumps(self.shape(case).schema)) // 3
        return self.wording.prompt(case.view(), room=room, faults=case.faults)

    def shape(self, case: Case[Any]) -> Shape:
        """Return what is asked for: the fields nobody has settled yet."""
        return self._shape(open_names(self.asked, case.answered))

    def schema_size(self, names: tuple[str, ...]) -> int:
        """Return the bytes of the JSON schema of these fields. Raises what pydantic raises without one."""
        return len(json.dumps(self._shape(names).schema).encode())

    def _shape(self, names: tuple[str, ...]) -> Shape:
        if names not in self._shapes:
            reason = self.spec.reason and not self.spec.source.decides
            self._shapes[names] = shape_of(self.asked.output, names, reason=reason)
        return self._shapes[names]

    @cached_property
    def window(self) -> int | None:
        """Tokens the model takes at once; None: nobody knows."""
        listed = isinstance(self.spec.source.given, str) and self.spec.window is None
        return listed_window(self.spec.source) if listed else self.spec.window

    @cached_property
    def _shapes(self) -> dict[tuple[str, ...], Shape]:
        return {}


def _loop(once: int, asks: int, uses: int, reply: int) -> int:
    """Return the most tokens read in `asks` requests with `uses` tool results among them."""
    return asks * once + (asks - 1) * uses * RESULT_BYTES + asks * (asks - 1) // 2 * reply


@dataclass(kw_only=True)
class Attempt:
    """One run for one case: the calls it made and what they consumed."""

    asking: Asking
    case: Case[Any]
    calls: list[dict[str, Any]] = field(default_factory=list)
    tokens_in: int = 0
    tokens_out: int = 0
    cost: int = 0
    failed_tools: int = 0
    model_name: str | None = None
    key: str | None = None  # the one that the calls use: it must not come back in a record
    body: bytes | str | None = None  # of the last reply that could not be read

    def __post_init__(self) -> None:
        self.spec = self.asking.spec
        self.shape = self.asking.shape(self.case)
        left = self.case.remaining
        # A little less than the caller's own limit, so that what was sent is still told when it is over.
        allowed = min(left, self.spec.timeout or left)
        self.until = self.case.clock() + allowed - min(0.05, allowed / 20)

    async def made(self) -> Answer[Any]:
        """Return the answer. Raises Faulted."""
        if not self.shape.names:
            raise self._fault("wrong-type", "every field is answered already")
        try:
            prompt = self.asking.prompt(self.case)
        except NoRoom:
            raise self._fault(
                "context-overflow", "the input is too large, and nothing more of it may be cut"
            ) from None
        async with self.spec.models.model() as (model, self.key):
            if self.spec.source.decides:
                return await self._decided(model, prompt)
            return await self._answered(model, prompt)

    async def _answered(self, model: Any, prompt: Prompt) -> Answer[Any]:
        from pydantic_ai import messages as m

        sent: list[Any] = _messages(prompt)
        told = [{"role": role, "content": text} for role, text in prompt.messages]
        parameters = self._parameters(model)
        while True:
            response = await self._request(model, sent, parameters, told)
            reply, uses = self._read(response)
            if not uses:
                break
            results = [await self._used(use) for use in uses]
            sent += [response, m.ModelRequest(parts=results, instructions=prompt.system)]
            told = []  # the results stand in the record as calls of their own
        try:
            values, reason = read_reply(
                self.shape, self.asking.asked, reply, self.case.answered, self.case.restored
            )
        except BadReply as exc:
            kept = reply if exc.category == "invalid" else None
            raise self._fault(exc.category, str(exc), reply=kept, billed=True) from exc
        return Answer(
            values,
            reason=(reason,) if reason else (),
            usage=self._usage(),
            calls=safe(self.calls, self.key),
            cut=prompt.cut,
        )

    async def _decided(self, model: Any, prompt: Prompt) -> Answer[Any]:
        """Ask a decision model, and keep the fields that stand if it refused or garbled one of them."""
        asked, measured = self.asking.asked, self.spec.measured
        told = [{"role": role, "content": text} for role, text in prompt.messages]
        withheld: dict[str, str] = {}
        threshold = float(self.spec.settings.get("decision_boolean_threshold", 0.5))
        try:
            response = await self._request(model, _messages(prompt), self._parameters(model), told)
        except Faulted as exc:
            found = recovered(asked, self.body, measured=measured, threshold=threshold)
            if found is None:
                raise
            values = {n: v for n, v in found.values.items() if n in self.shape.names}
            beliefs, withheld = found.beliefs, found.withheld
            self._count(*found.tokens, found.model, None)
            self.calls[-1] |= {"tokens_in": found.tokens[0], "tokens_out": found.tokens[1]}
            if not values:
                raise self._fault("refusal", "the model would not answer", billed=True) from exc
        else:
            part = next((p for p in response.parts if p.part_kind == "tool-call"), None)
            if part is None:
                raise self._fault("empty", billed=True)
            try:
                values, _ = read_reply(
                    self.shape, asked, _arguments(part), self.case.answered, self.case.restored
                )
            except BadReply as bad:
                raise self._fault(bad.category, str(bad), billed=True) from bad
            details = response.provider_details or {}
            beliefs = beliefs_of(asked, values, details, measured=measured, threshold=threshold)
        return Answer(
            values,
            beliefs={n: b for n, b in beliefs.items() if n in values},
            usage=self._usage(),
            calls=safe(self.calls, self.key),
            withheld={n: c for n, c in withheld.items() if n in self.shape.names},
            cut=prompt.cut,
        )

    def _parameters(self, model: Any) -> Any:
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.output import OutputObjectDefinition
        from pydantic_ai.tools import ToolDefinition

        schema, name, about = self.shape.schema, self.asking.asked.output.__name__, self.asking.asked.question
        tools = [
            ToolDefinition(name=t.name, description=t.about, parameters_json_schema=t.schema)
            for t in self.spec.tools
        ]
        mode = self._mode(model)
        if mode == "tool":
            output = ToolDefinition(
                name=OUTPUT_TOOL, description=about, parameters_json_schema=schema, kind="output"
            )
            return ModelRequestParameters(
                function_tools=tools, output_mode="tool", output_tools=[output], allow_text_output=False
            )
        return ModelRequestParameters(
            function_tools=tools,
            output_mode="native" if mode == "native" else "prompted",
            output_object=OutputObjectDefinition(json_schema=schema, name=name, description=about),
        )

    def _mode(self, model: Any) -> str:
        if self.spec.source.decides:
            return "tool"
        if self.spec.mode != "auto":
            return self.spec.mode
        if model.profile.get("supports_json_schema_output", False):
            return "native"
        return "tool" if model.profile.get("supports_tools", True) else "prompted"

    def _settings(self, model: Any) -> Any:
        left = self.until - self.case.clock()
        if left <= 0:
            category = "timeout" if self.case.remaining > 0 else "deadline"
            raise self._fault(category)
        ours = {"timeout": left, "request_timeout": left, "max_retries": 0}
        if not self.spec.source.decides:
            ours["max_tokens"] = self.asking.max_tokens(self.case)
        unknown = getattr(model, "unsupported_settings", ())
        return {**self.spec.settings, **{n: v for n, v in ours.items() if n not in unknown}}

    async def _request(self, model: Any, sent: list[Any], parameters: Any, told: Sequence[Any]) -> Any:
        """Send one request and note it, whatever comes back. Raises Faulted."""
        from pydantic_ai.direct import model_request

        self._within_calls()
        call: dict[str, Any] = {"kind": "model", "model": self.spec.source.id, "messages": list(told)}
        settings = self._settings(model)
        seen, started = Seen(), self.case.clock()
        token = seen_now.set(seen)
        try:
            response = await model_request(
                model, sent, model_settings=settings, model_request_parameters=parameters
            )
        except Exception as exc:
            self._note(call, started, seen)
            raise self._failed(exc, seen, call) from exc
        finally:
            seen_now.reset(token)
        self._note(call, started, seen)
        read, sound = _cleaned(response)
        usage = response.usage
        tokens = count(usage.input_tokens), count(usage.output_tokens)
        call |= {"reply": _reply(read), "finish": response.finish_reason}
        call |= {"tokens_in": tokens[0], "tokens_out": tokens[1]}
        self._count(*tokens, response.model_name, response)
        self._judge(read, seen)
        if not sound:
            told = "the reply holds a lone surrogate, which is not valid Unicode text"
            raise self._fault("invalid", told, reply=_reply(read), billed=True)
        return read

    def _note(self, call: dict[str, Any], started: float, seen: Seen | None = None) -> None:
        call["latency_us"] = round((self.case.clock() - started) * MICRO)
        if seen is not None and seen.request_id is not None:
            call["request_id"] = seen.request_id
        self.calls.append(call)

    def _failed(self, exc: Exception, seen: Seen, call: dict[str, Any]) -> Faulted:
        """Return what a request's exception stands for; a strange reply is judged by its bytes, not by it."""
        strange = strange_reply(exc, seen)
        self.body = seen.body or getattr(exc, "body", None)
        if seen.status is not None and seen.status < 300:  # another body may repeat a part of the key
            call["reply"] = masked(without_key(seen.body.decode("utf-8", "replace"), self.key))
        source = self.spec.source
        if strange is not None:
            stopped = ended(seen, None, empty=True) if strange[0] == "empty" else None
            return self._fault(*(stopped or strange), billed=True)
        if type(exc).__name__ == "UserError":  # pydantic-ai: the request cannot be made like this
            return self._fault("rejected", masked(clean(" ".join(str(exc).split())[:300])))
        secrets = () if self.key is None else tuple(self.key.split())
        fault = fault_of(exc, provider=source.provider, model=source.name, secrets=secrets)
        if fault.category == "empty" and (stopped := ended(seen, None, empty=True)) is not None:
            return self._fault(*stopped, billed=True)
        return Faulted(fault, calls=safe(self.calls, self.key), usage=self._usage())

    def _judge(self, response: Any, seen: Seen) -> None:
        """Raise Faulted for a response that must not be read, however good it looks."""
        details = response.provider_details or {}
        if details.get("refusal"):
            raise self._fault("refusal", billed=True)
        if (strange := strange_reply(None, seen)) is not None:
            raise self._fault(*strange, billed=True)
        finish = response.finish_reason
        known = finish if finish in ("content_filter", "length", "error") else None
        empty = not any(p.part_kind in ("text", "tool-call") for p in response.parts) or not _reply(response)
        stopped = ended(seen, known or details.get("finish_reason"), empty=empty)
        if stopped is None or (self.spec.source.decides and known is None):
            return
        category, reason = stopped
        if category == "truncated":
            reason = f"the reply was cut off at {self.asking.max_tokens(self.case):,} tokens"
        raise self._fault(category, reason, billed=True)

    def _read(self, response: Any) -> tuple[str, list[Any]]:
        """Return the text of a reply, and the tools it wants to use before it replies."""
        made = [p for p in response.parts if p.part_kind == "tool-call"]
        final = [part for part in made if part.tool_name == OUTPUT_TOOL]
        if len(final) == 1:
            return _arguments(final[0]), []
        text = "".join(p.content for p in response.parts if p.part_kind == "text")
        if not made and not text.strip():
            raise self._fault("empty", billed=True)
        if final or (made and not self.spec.tools):
            told = f"the reply calls {OUTPUT_TOOL} more than once" if final else "the reply calls a tool"
            raise self._fault(
                "invalid", f"{told}, and one answer is wanted", reply=_reply(response), billed=True
            )
        return text, made

    async def _used(self, use: Any) -> Any:
        """Use one tool; what it raised goes back to the model once, without its text."""
        from pydantic_ai.messages import ToolReturnPart

        self._within_calls()
        arguments, started = _arguments(use), self.case.clock()
        tool = next((t for t in self.spec.tools if t.name == use.tool_name), None)
        call: dict[str, Any] = {"kind": "tool", "name": use.tool_name, "arguments": arguments}
        try:
            if tool is None:
                raise BadCall("there is no such tool")
            call["result"] = await tool.call(self.case, arguments)
        except BadCall as exc:
            call["result"] = call["error"] = str(exc)
            self.failed_tools += 1
        except (Denied, Faulted) as exc:  # of a source that the tool read
            call["error"] = exc.what if isinstance(exc, Denied) else exc.fault.reason
            self._note(call, started)
            if isinstance(exc, Denied):
                raise self._fault("exception", exc.what) from exc
            raise Faulted(exc.fault, calls=safe(self.calls, self.key), usage=self._usage()) from exc
        except TimeoutError as exc:
            call["error"] = "it did not answer in time"
            self._note(call, started)
            raise self._fault("deadline", f"the tool {use.tool_name} took until the deadline") from exc
        self._note(call, started)
        if self.failed_tools > 1:
            raise self._fault("exception", f"{use.tool_name}: {call['error']}")
        return ToolReturnPart(use.tool_name, call["result"], tool_call_id=use.tool_call_id)

    def _within_calls(self) -> None:
        if len(self.calls) >= self.spec.max_calls:
            raise self._fault("budget", f"it made {len(self.calls)} calls, and max_calls allows no more")

    def _count(self, tokens_in: int, tokens_out: int, model: str | None, response: Any) -> None:
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out
        self.model_name = model or self.model_name
        cost, source = None, self.spec.source
        hosted = source.prefix is not None and not source.local and self.spec.price is None
        if response is not None and hosted and self.asking.asked.stakes.currency == "USD":
            cost = response_cost(response)  # knows what came from the provider's cache
        if cost is None:
            cost = self.asking.cost(tokens_in, tokens_out)
        self.cost = min(_MOST_COST, self.cost + (cost or 0))

    def _usage(self) -> Usage:
        name = without_key(self.model_name, self.key) if self.model_name else None
        name = name if name and name.isprintable() else None
        return Usage(
            cost=self.cost,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            model=name[:200] if name and name.strip() else None,
        )

    def _fault(self, category: str, reason: str = "", **more: Any) -> Faulted:
        source = self.spec.source
        last = self.calls[-1].get("request_id") if self.calls else None
        fault = Fault(
            category=category,
            reason=reason,
            provider=source.provider,
            model=source.name,
            request_id=last,
            **more,
        )
        told = {n: safe(getattr(fault, n), self.key) for n in ("reason", "reply")}
        return Faulted(replace(fault, **told), calls=safe(self.calls, self.key), usage=self._usage())


def _messages(prompt: Prompt) -> list[Any]:
    from pydantic_ai import messages as m

    return [
        m.ModelRequest(parts=[m.UserPromptPart(text)], instructions=prompt.system)
        if role == "user"
        else m.ModelResponse(parts=[m.TextPart(text)])
        for role, text in prompt.turns
    ]


def _reply(response: Any) -> str:
    """Return what came back as text: the text, or the arguments of the calls, or the refusal."""
    told: list[str] = []
    for part in response.parts:
        if part.part_kind == "text":
            told.append(part.content)
        elif part.part_kind == "tool-call":
            made = _arguments(part)
            told.append(made if part.tool_name == OUTPUT_TOOL else f"{part.tool_name}({made})")
        elif part.part_kind == "thinking":
            continue
    refusal = (response.provider_details or {}).get("refusal")
    return "\n".join(told) or (str(refusal) if refusal else "")


def _arguments(part: Any) -> str:
    """Return the arguments of a call as JSON text; text that is none stays as it came."""
    given = part.args
    if given is None or isinstance(given, str):
        return given or "{}"
    return json.dumps(given, ensure_ascii=False, default=str)


def _cleaned(response: Any) -> tuple[Any, bool]:
    """Return a response in valid Unicode, and whether it was that before."""
    sound, parts = True, []
    for part in response.parts:
        kept = {n: getattr(part, n, None) for n in ("content", "tool_name", "args", "tool_call_id")}
        held = {name: value for name, value in kept.items() if isinstance(value, str | dict)}
        made = safe(held, None)
        sound = sound and made == held
        parts.append(part if made == held else replace(part, **made))
    details = response.provider_details
    return replace(response, parts=parts, provider_details=safe(details, None) if details else details), sound
