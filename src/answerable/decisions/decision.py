"""The Decision: a named, versioned, owned, typed question the software answers. A pure value."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from answerable.decisions.answer import Answer, Finding, Usage, word
from answerable.decisions.case import Case
from answerable.decisions.decider import Decider
from answerable.decisions.fields import Field, bare, field_adapter, fields_of, full_output
from answerable.decisions.stakes import Stakes
from answerable.decisions.stored import never_stored, surely_comes_back
from answerable.encoding import MICRO, seconds
from answerable.errors import UsageError, did_you_mean
from answerable.failures.budget import Budget
from answerable.failures.table import TABLE, Action, with_overrides
from answerable.governance.source import Source

I = TypeVar("I", bound=BaseModel)  # noqa: E741 - input, beside O for output
O = TypeVar("O", bound=BaseModel)  # noqa: E741
Check = Callable[[Case[Any], Answer[Any]], Finding | None]
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SAMPLE = re.compile(r"sample:(0(\.\d+)?|1(\.0+)?)")


@dataclass(frozen=True, kw_only=True)
class Decision(Generic[I, O]):
    """A question with its input, output, stakes and the deciders that may answer it, in order.

    name: kebab-case, at most 64 characters. version: of this definition; another definition under the
    same version is refused. label: the output field that lists show; the first class or flag otherwise.
    deadline: for the automatic part (seconds or "8s"). unmeasured: what an answer of a model without a
    measured probability gets: "review" (the next decider, then a person), "accept", or "sample:RATE" (that
    share is treated as "review"). keep_key: how long a key returns its recorded outcome. budgets: what paid
    deciders may spend. faults: rows of the action table that differ here. reads: the sources that
    `case.read` may be asked for. retention: the class, one word, that says how long what is recorded can be
    opened. Raises UsageError at construction for everything that names a field or value which does not
    exist, with what was probably meant.
    """

    name: str
    version: str
    question: str
    input: type[I]
    output: type[O]
    owner: str
    purpose: str
    stakes: Stakes
    deciders: Sequence[Decider]
    checks: Sequence[Check] = ()
    label: str | None = None
    deadline: float | str | timedelta = 30.0
    unmeasured: Literal["review", "accept"] | str = "review"
    keep_key: float | str | timedelta = "7d"
    budgets: Sequence[Budget] = ()
    faults: Mapping[str, Action | Mapping[str, Any]] = field(default_factory=dict)
    reads: Sequence[Source[Any]] = ()
    retention: str = "standard"

    def __post_init__(self) -> None:
        self._check_words()
        self._check_reads()
        self._check_fields()
        self._check_stakes()
        self._check_deciders()
        self._check_limits()

    def _check_reads(self) -> None:
        object.__setattr__(self, "reads", self._listed("reads", "crm_customer, another"))
        for source in self.reads:
            if not isinstance(source, Source):
                raise UsageError(
                    f"{self.name}: reads holds a {type(source).__name__}, no source",
                    next_step="give what ans.sql_source, ans.file_source or ans.source made",
                )
            if [s.name for s in self.reads].count(source.name) > 1:
                raise UsageError(
                    f"{self.name} reads two sources named {source.name!r}", next_step="give one another name"
                )
            if self.purpose not in source.purposes:
                raise UsageError(
                    f"{self.name} reads {source.name}, which is not for the purpose {self.purpose!r}",
                    next_step=did_you_mean(self.purpose, source.purposes),
                )

    def _check_limits(self) -> None:
        object.__setattr__(self, "budgets", self._listed("budgets", 'ans.Budget(money=5, per="day")'))
        assert self.actions  # raises for a row that does not exist
        object.__setattr__(self, "faults", dict(self.faults))
        self.check_budgets(self.budgets)

    def _listed(self, name: str, one: str) -> tuple[Any, ...]:
        """Return a list of the definition as a tuple: a definition must not change under its digest."""
        given = getattr(self, name)
        if not isinstance(given, Iterable) or isinstance(given, str | bytes | Mapping | set | frozenset):
            raise UsageError(
                f"{self.name}: {name} is a {type(given).__name__}", next_step=f"write {name}=[{one}]"
            )
        return tuple(given)

    def check_budgets(self, budgets: Sequence[Budget]) -> None:
        """Raise UsageError if these are no budgets, or if somebody's calls have no known upper bound."""
        for budget in budgets:
            if not isinstance(budget, Budget):
                raise UsageError(
                    f"{self.name}: {budget!r} is no budget", next_step='give ans.Budget(money=5, per="day")'
                )
            for decider in self.deciders:
                remote = decider.remote
                if remote is not None and (
                    remote.most is None or (budget.money is not None and not remote.priced)
                ):
                    raise UsageError(
                        f"{self.name}: nobody knows what a call of {decider.name} costs at most, "
                        "and a budget must reserve it",
                        next_step="give an llm its price=, another decider Remote(most=...)",
                    )
                if remote is None or budget.tokens is None or not isinstance(remote.most, Usage):
                    continue
                if not remote.most.tokens_in and not remote.most.tokens_out:
                    raise UsageError(
                        f"{self.name}: nobody knows how many tokens a call of {decider.name} takes at most, "
                        "and a budget must reserve them",
                        next_step="give most=ans.Usage(cost=20_000, tokens_in=4_000, tokens_out=500)",
                    )

    def _check_deciders(self) -> None:
        object.__setattr__(self, "deciders", self._listed("deciders", "ans.rule(...), ans.default(...)"))
        object.__setattr__(self, "checks", self._listed("checks", "a_check, another"))
        ready: list[Decider] = []
        if not self.deciders:
            raise UsageError(f"{self.name} has no decider", next_step="add a rule, a model or a default")
        for decider in self.deciders:
            if not isinstance(decider, Decider):
                raise UsageError(
                    f"{self.name}: {decider!r} is no decider", next_step="wrap it in ans.rule or ans.model"
                )
            word(decider.name, what=f"{self.name}: the name of a decider")
            word(decider.version, what=f"{self.name}: the version of {decider.name}")
            if "@" in decider.name:
                raise UsageError(
                    f'{self.name}: the decider name {decider.name!r} holds "@"',
                    next_step="leave it out: records name a decider as name@version",
                )
            if [d.name for d in self.deciders].count(decider.name) > 1:
                raise UsageError(
                    f"{self.name} has two deciders named {decider.name!r}", next_step="give one a name="
                )
            ready.append((decider.bind and decider.bind(self)) or decider)
            self._check_fallback(decider)
        object.__setattr__(self, "deciders", tuple(ready))
        for check in self.checks:
            self._check_check(check)
            self._check_paths(check)
        self._check_reached()

    def _check_check(self, check: Any) -> None:
        """Check that a check can be called with a case and an answer, and gives its finding at once."""
        if not callable(check):
            raise UsageError(
                f"{self.name}: the check {check!r} is no function",
                next_step="give a function of the case and the answer",
            )
        called = getattr(check, "__name__", type(check).__name__)
        if inspect.isfunction(check) and check.__module__.startswith("answerable.failures."):
            raise UsageError(
                f"{self.name}: {called} makes a check and is none itself",
                next_step=f"call it: {called}(...)",
            )
        step = f"write `def {called}(case, answer)`, which returns an ans.Finding or None"
        if isinstance(check, type):
            raise UsageError(f"{self.name}: the check {called} is a class", next_step=step)
        if inspect.iscoroutinefunction(check) or inspect.iscoroutinefunction(type(check).__call__):
            raise UsageError(f"{self.name}: the check {called} would have to be awaited", next_step=step)
        try:
            inspect.signature(check).bind(None, None)
        except TypeError:
            raise UsageError(
                f"{self.name}: the check {called} does not take a case and an answer", next_step=step
            ) from None
        except ValueError:  # a builtin tells no signature
            return

    def _check_reached(self) -> None:
        """Check that nobody stands behind a decider that always ends the case."""
        for place, decider in enumerate(self.deciders[:-1]):
            after = next((d for d in self.deciders[place + 1 :] if self._ends(decider, d)), None)
            if after is not None:
                raise UsageError(
                    f"{self.name}: {after.name} is never asked: {decider.name} before it always answers",
                    next_step=f"move {decider.name} to the end",
                )

    def _ends(self, decider: Decider, other: Decider) -> bool:
        """Say whether no case passes `decider` by, or is left over by it, for `other` to answer.

        A person always takes a case. A whole default does too, but a person behind it gets the cases that
        only a person may answer, and what a check or the output's own rules do not let stand.
        """
        if decider.kind == "person":
            return True
        if decider.kind != "default" or not self._whole(dict(decider.settings).get("output")):
            return False
        rules = getattr(self.output, "__pydantic_decorators__", None)
        for_persons = (
            self.checks
            or self.stakes.never_automatic
            or (rules is not None and rules.model_validators)
            or any(a.then == "person" for c, a in self.actions.items() if c != "never-automatic")
        )
        return other.kind != "person" or not for_persons

    def _whole(self, output: Any) -> bool:
        """Say whether a default leaves no field open."""
        return not isinstance(output, Mapping) or all(
            name in output or not info.is_required() for name, info in self.output.model_fields.items()
        )

    def _check_paths(self, check: Any) -> None:
        """Check the fields that a built-in check looks at: `fields` of the output, `inputs` of the input."""
        for role, known in (("fields", self.output_fields), ("inputs", self.input_fields)):
            names = [f.path for f in known]
            for path in getattr(check, role, ()):
                if str(path).partition(".")[0] not in names:
                    side = "output" if role == "fields" else "input"
                    raise UsageError(
                        f"{self.name}: the check {check.__name__} names {path!r}, which is no {side} field",
                        next_step=did_you_mean(str(path), names),
                    )

    def _check_fallback(self, decider: Decider) -> None:
        """Check the outputs declared beforehand: a default's, and what follows when nobody answers."""
        declared = dict(decider.settings)
        fallback = declared.get("output") if decider.kind == "default" else declared.get("then")
        if decider.kind not in ("default", "person") or fallback is None:
            return
        who = f"{self.name}: the {'default' if decider.kind == 'default' else '`then`'} of {decider.name}"
        try:
            if decider.kind == "default" and isinstance(fallback, Mapping):
                values = {n: self._default_value(n, v, who) for n, v in fallback.items()}
            else:
                values = dict(full_output(self.output, fallback))
        except ValidationError as exc:
            first = exc.errors(include_url=False)[0]
            path = ".".join(map(str, first["loc"])) or self.output.__name__
            raise UsageError(
                f"{who} is no answer: {path}: {first['msg']}", next_step=f"give a {self.output.__name__}"
            ) from None
        for name, value in values.items():
            if decider.kind == "person" and bare(value) in self.stakes.never_automatic.get(name, ()):
                raise UsageError(
                    f"{who} gives {name} = {bare(value)!r}, which is never automatic",
                    next_step="choose another fallback, or then=None to leave the case open",
                )

    def _default_value(self, name: str, value: Any, who: str) -> Any:
        self._output_field(name, who)
        return field_adapter(self.output, name).validate_python(value)

    def _check_words(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name) or len(self.name) > 64:
            raise UsageError(
                f"the decision name {self.name!r} is not kebab-case",
                next_step='use lower-case words joined by hyphens, such as "route-ticket"',
            )
        for what in ("version", "question", "owner", "purpose"):
            text = getattr(self, what)
            if not isinstance(text, str) or not text.strip() or not text.isprintable():
                step = f"say the {what} in one line"
                if isinstance(text, int | float):
                    step += f', as text: {what}="{text}"'
                raise UsageError(f"{self.name}: {what} is {text!r}", next_step=step)
        word(self.version, what=f"{self.name}: version")
        word(self.purpose, what=f"{self.name}: purpose")
        word(self.retention, what=f"{self.name}: retention")
        assert self.deadline_s and self.keep_key_us  # both raise for what is no duration
        if self.unmeasured not in ("review", "accept") and not _SAMPLE.fullmatch(str(self.unmeasured)):
            raise UsageError(
                f"unmeasured is {self.unmeasured!r}", next_step='use "review", "accept" or "sample:0.05"'
            )

    def _check_fields(self) -> None:
        for role, model in (("input", self.input), ("output", self.output)):
            if not (isinstance(model, type) and issubclass(model, BaseModel) and model.model_fields):
                raise UsageError(
                    f"{self.name}: {role} is {model!r}", next_step="give a pydantic model with a field"
                )
            # What a record leaves out would make another input the same one under a key, and no replay equal.
            lost = never_stored(model, excluded_only=role == "input")
            if lost is not None:
                raise UsageError(
                    f"{self.name}: the {role} field {lost}",
                    next_step="drop exclude=, or leave the field out of the model"
                    if "excluded" in lost
                    else "use a type that JSON can hold, such as str",
                )
        if self.label is not None:
            self._output_field(self.label, "the label")

    def _check_stakes(self) -> None:
        if not isinstance(self.stakes, Stakes):
            raise UsageError(
                f"{self.name}: stakes is {self.stakes!r}",
                next_step='give ans.Stakes("USD", wrong=..., review=...)',
            )
        for cost in self.stakes.costs:
            field = self._output_field(cost.field, "a cost")
            for value in (cost.truth, cost.answer):
                self._value(field, value, "a cost")
        for name, values in self.stakes.never_automatic.items():
            field = self._output_field(name, "never_automatic")
            for value in values:
                self._value(field, value, "never_automatic")

    def _output_field(self, name: str, who: str) -> Field:
        for known in self.output_fields:
            if known.path == name:
                return known
        raise UsageError(
            f"{self.name}: {who} names {name!r}, which is no output field",
            next_step=did_you_mean(name, [f.path for f in self.output_fields]),
        )

    def _value(self, field: Field, value: Any, who: str) -> None:
        if field.values and bare(value) not in field.values and (value is not None or field.required):
            raise UsageError(
                f"{self.name}: {who} names {value!r}, which {field.path} cannot be",
                next_step=did_you_mean(str(value), map(str, field.values)),
            )

    @cached_property
    def actions(self) -> Mapping[str, Action]:
        """The action table as it holds here."""
        return TABLE if self.faults == {} else with_overrides(self.faults)

    @cached_property
    def deadline_s(self) -> float:
        """`deadline` in seconds."""
        return seconds(self.deadline, what="deadline")

    @cached_property
    def keep_key_us(self) -> int:
        """`keep_key` in microseconds."""
        return round(seconds(self.keep_key, what="keep_key") * MICRO)

    @cached_property
    def input_fields(self) -> tuple[Field, ...]:
        """The input's fields, described."""
        return fields_of(self.input)

    @cached_property
    def output_fields(self) -> tuple[Field, ...]:
        """The output's fields, described."""
        return fields_of(self.output)

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """The output's top-level field names, in order."""
        return tuple(f.path for f in self.output_fields)

    @cached_property
    def output_surely_comes_back(self) -> bool:
        """Whether every output is read back from its record as it was; otherwise each one is tried."""
        return surely_comes_back(self.output)

    @cached_property
    def key_fields(self) -> tuple[str, ...]:
        """The input fields by which the outside world knows a case."""
        return tuple(f.path for f in self.input_fields if "Key" in f.classes)

    @cached_property
    def label_field(self) -> str | None:
        """The output field that lists show."""
        return self.label or next((f.path for f in self.output_fields if f.kind in ("class", "flag")), None)

    def decider(self, name: str) -> Decider:
        """Return the decider called `name`. Raises UsageError with what was probably meant."""
        for decider in self.deciders:
            if decider.name == name:
                return decider
        raise UsageError(
            f"{self.name} has no decider {name!r}",
            next_step=did_you_mean(name, [d.name for d in self.deciders]),
        )
