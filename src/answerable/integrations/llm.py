"""`llm`: a decider that asks a model, wherever pydantic-ai or an OpenAI-compatible URL reaches one."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, get_args

from pydantic import ValidationError
from pydantic.errors import PydanticUserError

from answerable.decisions.answer import word
from answerable.decisions.case import Case
from answerable.decisions.decider import Asked, Decider
from answerable.decisions.deciders import cleared_for
from answerable.decisions.fields import field_adapter
from answerable.decisions.reading import problems
from answerable.encoding import encode, plain, seconds
from answerable.errors import UsageError, did_you_mean
from answerable.failures.masking import masked
from answerable.failures.remote import Breaker, Limit, Price, Remote
from answerable.integrations.llm_models import Models, Source, check_settings, source_of
from answerable.integrations.llm_prompt import wording
from answerable.integrations.llm_run import Asking, Spec
from answerable.integrations.llm_tools import tools_of

Mode = Literal["auto", "native", "tool", "prompted"]
_OURS = {
    "timeout": "give llm(..., timeout=)",
    "request_timeout": "give llm(..., timeout=)",
    "max_retries": "override a row of the decision's faults=: retries are counted and recorded there",
    "extra_headers": "give the key as api_key=; a header in the settings would be recorded",
    "extra_query": "give the whole address as url=; a query in the settings could hold a secret",
    "tool_choice": "leave it out: it follows from tools= and mode=",
}
_OWNED = frozenset(  # in the body of a request, in any interface
    {
        *("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict", "n", "best_of", "model"),
        *("messages", "input", "prompt", "instructions", "system", "stream", "stream_options", "background"),
        *("tools", "tool_choice", "functions", "function_call", "response_format", "text", "format"),
    }
)
_NUMBERS = ("temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty")


class LLMOptions(TypedDict, total=False):
    """The keyword arguments of `llm` beside the model, its instructions and its name.

    timeout: for one call (seconds or "4s"); None: the case's deadline. url: of any OpenAI-compatible
    server; the model is then its bare id, or "anthropic:ID" and so on for another interface. provider: what
    breakers and records call who is at `url`; its host otherwise. api_key:
    "env:NAME" or "file:PATH", read on each use; None: where the provider's own client looks. settings:
    pydantic-ai's model settings; max_tokens is 1,024 if it is not said. price: per million tokens; None: the
    list price, for decisions in USD; nothing on this machine. context: tokens the model takes at once; None:
    the listed window, if there is one. tools: functions of the case that only read. max_calls: of the model
    and of tools together, in one run. examples: (input, output) pairs. calibration: "NAME@VERSION" if the
    probabilities of a decision model are calibrated. mode: how the form of the reply is enforced: by the
    provider ("native"), as a "tool" call, "prompted", or the best that the model has ("auto"). reason: ask
    for one sentence that says why. clearance: the kinds of personal data that it may see in clear, such as
    ["email"], or "all"; without it every personal value is a pseudonym.
    """

    timeout: float | str | timedelta | None
    url: str | None
    provider: str | None
    api_key: str | None
    settings: Mapping[str, Any] | None
    price: Price | None
    context: int | None
    limit: Limit | None
    breaker: Breaker | None
    tools: Sequence[Callable[..., Any]]
    max_calls: int
    examples: Sequence[tuple[Any, Any]]
    calibration: str | None
    mode: Mode
    reason: bool
    clearance: Iterable[str] | None


def llm(
    model: Any,
    *,
    instructions: str | Path,
    name: str | None = None,
    version: str | None = None,
    **options: Unpack[LLMOptions],
) -> Decider:
    """Return a decider that asks a model once for the fields that are still open.

    model: a pydantic-ai id such as "openai:gpt-5-mini" or "anthropic:claude-haiku-4-5", or its Model object.
    instructions: a template, or the Path of one: `{field}` stands for a field of the input, `{question}` for
    the decision's question; without any field the whole case is appended as JSON. version: defaults to the
    start of the digest of all that decides what is sent. options: see LLMOptions.

    pydantic-ai is imported when the first decision with an llm is built. Chat models measure no belief;
    decision models do. The call is never repeated inside: the decision's
    action table says what follows from a fault. Raises UsageError for what cannot work.
    """
    for given in options:
        if given not in LLMOptions.__annotations__:
            raise UsageError(
                f"llm has no option {given!r}", next_step=did_you_mean(given, LLMOptions.__annotations__)
            )
    source = _named(source_of(model, url=options.get("url"), api_key=options.get("api_key")), options)
    breaker = options.get("breaker")
    declared = _Declared(
        spec=_spec(source, _text(instructions), options),
        examples=tuple(options.get("examples") or ()),
        name=name,
        version=version,
        limit=options.get("limit"),
        breaker=Breaker() if breaker is None else breaker,
        calibration=options.get("calibration"),
        clearance=cleared_for(options.get("clearance"), remote=True),
    )
    return declared.decider()


def rebased(decider: Decider, url: str) -> Decider:
    """Return the same decider, sent to another base URL, without its key.

    Raises UsageError for one that is no `llm`, or was made from a Model object.
    """
    declared = decider.run.declared if isinstance(decider.run, _Unbound | _Bound) else None
    if declared is None or not isinstance(declared.spec.source.given, str):
        raise UsageError(
            f"{decider.name} calls no model by its id, so its calls cannot be sent elsewhere",
            next_step='use ans.llm("provider:model", ...)',
        )
    old = declared.spec.source
    moved = source_of(old.given, url=url, api_key=None)  # a key is for the place it was made for
    # Its breaker stays its own, also where several are sent to one machine.
    source = replace(moved, prefix=old.prefix, name=old.name, called=old.provider)
    spec = replace(declared.spec, source=source, models=Models(source))
    moved_there = replace(declared, spec=spec, known=(decider.name, decider.version, decider.digest))
    if isinstance(decider.run, _Bound):
        return moved_there.bind(decider.run.asking.asked)
    return moved_there.decider()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Declared:
    """An `llm` as declared, before it knows its decision.

    known: name, version and digest of the one that it was before it was sent elsewhere.
    """

    spec: Spec
    examples: tuple[tuple[Any, Any], ...]
    name: str | None
    version: str | None
    limit: Limit | None
    breaker: Breaker
    calibration: str | None
    clearance: frozenset[str] | None
    known: tuple[str, str, str] | None = None

    def decider(self) -> Decider:
        spec, source = self.spec, self.spec.source
        settings = (
            ("model", source.id),
            ("url", source.place),
            ("mode", spec.mode),
            ("settings", dict(spec.settings)),
            ("instructions", spec.text),
            ("tools", [[tool.name, tool.digest] for tool in spec.tools]),
            ("max_calls", spec.max_calls),
            ("context", spec.window),
            ("calibration", self.calibration),
            ("reason", spec.reason),
            ("examples", plain([list(pair) for pair in self.examples])),
        )
        digest = hashlib.sha256(encode([list(pair) for pair in settings], what="llm")).hexdigest()
        called = self.name or source.name.replace("@", "-")
        name, version, digest = self.known or (called, self.version or digest[:8], digest)
        return Decider(
            name=name,
            kind="llm",
            run=_Unbound(declared=self),
            version=version,
            digest=digest,
            timeout=spec.timeout,
            reason=f"{name} chose it",
            remote=self.remote(),
            bind=self.bind,
            settings=settings,
            clearance=self.clearance,
        )

    def remote(self, asking: Asking | None = None) -> Remote:
        source = self.spec.source
        return Remote(
            provider=source.provider,
            model=source.name,
            destination=source.destination,
            most=asking.most if asking is not None else None,
            breaker=self.breaker,
            limit=self.limit,
            priced=asking is not None and asking.cost(1, 1) is not None,
        )

    def bind(self, asked: Asked) -> Decider:
        """Return the decider made ready for one decision. Raises UsageError for what does not fit it."""
        pairs = tuple(_example(asked, pair) for pair in self.examples)
        words = wording(self.spec.text, asked, pairs)
        asking = Asking(spec=self.spec, asked=asked, wording=words)
        _check_shape(asking)
        self.spec.models.load()
        check_settings(self.spec.settings)
        return replace(self.decider(), run=_Bound(declared=self, asking=asking), remote=self.remote(asking))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Unbound:
    """`run` of an llm that belongs to no decision yet."""

    declared: _Declared

    async def __call__(self, case: Case[Any]) -> Any:
        raise UsageError(
            "this llm belongs to no decision yet",
            next_step="take it from decision.deciders, or use ws.decide",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bound:
    """`run` of an llm that belongs to a decision."""

    declared: _Declared
    asking: Asking

    async def __call__(self, case: Case[Any]) -> Any:
        return await self.asking(case)


def _check_shape(asking: Asking) -> None:
    """Check that the output can be asked for at all. Raises UsageError."""
    asked = asking.asked
    try:
        size = asking.schema_size(tuple(field.path for field in asked.output_fields))
    except (PydanticUserError, TypeError, ValueError, RecursionError) as exc:
        raise UsageError(
            f"{asked.name}: {asked.output.__name__} has no JSON schema, so no model can be asked for it "
            f"({type(exc).__name__})",
            next_step="give its fields types that JSON can hold",
        ) from exc
    assert size > 0


def _named(source: Source, options: LLMOptions) -> Source:
    """Return a source under the provider's name that was given for it."""
    provider = options.get("provider")
    if provider is not None and source.url is None:
        raise UsageError(
            f"the provider of {source.id} is named already", next_step="give provider= only beside url="
        )
    return source if provider is None else replace(source, called=word(provider, what="provider"))


def _spec(source: Source, text: str, options: LLMOptions) -> Spec:
    price = options.get("price")
    if price is not None and not isinstance(price, Price):
        raise UsageError(
            f"price is a {type(price).__name__}",
            next_step="give ans.Price(input=0.25, output=2.0), per million tokens",
        )
    mode = options.get("mode", "auto")
    if mode not in get_args(Mode):
        raise UsageError(f"mode is {mode!r}", next_step=did_you_mean(str(mode), get_args(Mode)))
    tools = tools_of(tuple(options.get("tools") or ()))
    if tools and source.decides:
        raise UsageError(f"{source.id} is a decision model and uses no tools", next_step="leave out tools=")
    timeout, calibration = options.get("timeout"), options.get("calibration")
    context = options.get("context")
    return Spec(
        source=source,
        models=Models(source),
        text=text,
        settings=_settings(options.get("settings") or {}),
        mode=mode,
        price=price,
        window=None if context is None else _whole("context", context),
        tools=tools,
        max_calls=_whole("max_calls", options.get("max_calls", 10)),
        measured=f"calibrated@{calibration}" if calibration else "raw",
        reason=bool(options.get("reason", True)),
        timeout=None if timeout is None else seconds(timeout, what="timeout"),
    )


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise UsageError(
            f"settings is a {type(given).__name__}", next_step='give a mapping such as {"temperature": 0}'
        )
    for name, step in _OURS.items():
        if name in given:
            raise UsageError(f"the settings hold {name!r}, which is ours", next_step=step)
    settings: dict[str, Any] = plain(dict(given), what="settings")
    if "max_tokens" in settings:
        _whole("max_tokens", settings["max_tokens"])
    _check_body(settings.get("extra_body"))
    for name in _NUMBERS:
        value = settings.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise UsageError(f"{name} is {value!r}", next_step="give a number")
    return settings


def _check_body(body: Any) -> None:
    """Check what goes into a request as it is: it must not undo what the decider counts on, or hold a key."""
    if body is None:
        return
    if not isinstance(body, Mapping):
        raise UsageError(f"extra_body is a {type(body).__name__}", next_step='write {"extra_body": {"k": 1}}')
    for name in body:
        if str(name).lower() in _OWNED:
            raise UsageError(
                f"extra_body holds {name!r}, which is ours",
                next_step="leave it out; for the length of a reply give max_tokens in the settings",
            )
    text = json.dumps(plain(dict(body)), ensure_ascii=False)
    if masked(text) != text:
        raise UsageError(
            "extra_body holds what looks like a secret, and would be recorded",
            next_step='give the key as api_key="env:NAME"',
        )


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 40:
        raise UsageError(f"{name} is {value!r}", next_step="give a whole number above 0")
    return value


def _text(instructions: str | Path) -> str:
    if isinstance(instructions, Path):
        path = instructions
        try:
            instructions = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise UsageError(
                f"cannot read the instructions {path.name}: {type(exc).__name__}",
                next_step="give the path of a UTF-8 text file",
            ) from exc
    if not isinstance(instructions, str) or not instructions.strip():
        raise UsageError("the instructions are empty", next_step="say in a few sentences how to decide")
    return instructions.strip()


def _example(asked: Asked, pair: Any) -> tuple[Any, str]:
    """Return an example as the view and the reply it stands for."""
    try:
        given, output = pair
    except (TypeError, ValueError):
        raise UsageError("an example is no pair", next_step="give (input, output)") from None
    try:
        view = plain(asked.input.model_validate(plain(given), by_alias=True, by_name=True))
        values = plain(output)
        for name, value in values.items():
            if name not in asked.output.model_fields:
                raise UsageError(
                    f"an example answers {name!r}, which is no output field of {asked.name}",
                    next_step=did_you_mean(name, asked.output.model_fields),
                )
            field_adapter(asked.output, name).validate_python(value)
    except ValidationError as exc:
        raise UsageError(
            f"an example of {asked.name} does not fit: {problems(exc, asked.output)}",
            next_step="give a valid input with its right output",
        ) from None
    return view, encode(values).decode()
