"""The built-in deciders: `rule`, `model`, `default` and `person`; each returns a Decider."""

import copy
import hashlib
import inspect
import io
import pickle
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from answerable.decisions.answer import Abstain, Answer, Belief, Suspend, word
from answerable.decisions.case import Case
from answerable.decisions.code import code_digest
from answerable.decisions.decider import Asked, Decider, Run
from answerable.decisions.rule_sql import SqlRule
from answerable.decisions.rule_table import TableRule
from answerable.encoding import encode, seconds
from answerable.errors import UsageError, did_you_mean
from answerable.failures.remote import Remote


def rule(
    what: Run | str | Mapping[str, str] | None = None,
    *,
    field: str | None = None,
    table: str | Path | None = None,
    name: str | None = None,
    version: str | None = None,
    clearance: Iterable[str] | None = None,
) -> Decider:
    """Return a decider that costs microseconds and runs inline: its answers are asserted, not measured.

    what: a function of the case; or an SQL expression over the input's top-level fields (SQLite's
    dialect) that gives `field`; or field -> expression for several. NULL abstains. table: instead, the
    path of a decision table (CSV): a column per input field holds a condition, `answer.FIELD` columns
    hold the answer, `reason` why; the first row whose conditions all hold wins. version: defaults to
    the start of the digest of the source. A rule is not interrupted: put slow code in a `model`. clearance:
    the kinds of personal data that it may see, such as ["email"]; None: all.
    """
    if (what is None) == (table is None):
        raise UsageError("a rule needs one of a function, an expression or a table", next_step="give one")
    if table is not None:
        run: Any = TableRule.read(Path(table))
        name = name or Path(table).stem
    elif callable(what):
        run, name = what, name or getattr(what, "__name__", type(what).__name__)
    elif isinstance(what, Mapping) and what:
        run = SqlRule({str(n): str(text) for n, text in what.items()})
    elif isinstance(what, str):
        if field is None:
            raise UsageError(f"the expression {what!r} names no field", next_step='add field="FIELD"')
        run = SqlRule({field: what})
    else:
        raise UsageError(
            f"a rule cannot be {what!r}",
            next_step="give a function, an SQL expression or field -> expression",
        )
    digest = getattr(run, "digest", None) or code_digest(run)
    return Decider(
        name=name or "sql",
        kind="rule",
        run=run,
        version=version or digest[:8],
        digest=digest,
        inline=True,
        reason=_first_line(what) if callable(what) else "",
        bind=getattr(run, "bind", None),
        clearance=cleared_for(clearance),
    )


def cleared_for(kinds: Iterable[str] | None, *, remote: bool = False) -> frozenset[str] | None:
    """Return the clearance that is declared so; None, all, for what stays here and declares nothing.

    kinds: "all" or a list of kinds. Raises UsageError for anything else.
    """
    if kinds is None or kinds == "all":
        return frozenset() if remote and kinds is None else None
    told = [kinds] if isinstance(kinds, str) else list(kinds)
    for kind in told:
        if not isinstance(kind, str) or isinstance(kinds, str):
            raise UsageError(
                f"the clearance is {kinds!r}", next_step='give a list of kinds such as ["email"], or "all"'
            )
    return frozenset(told)


def model(
    what: Run | Mapping[str, Any],
    *,
    version: str,
    features: Callable[[Any], Any] | None = None,
    calibration: str | None = None,
    name: str | None = None,
    timeout: float | str | timedelta | None = None,
    remote: Remote | None = None,
    clearance: Iterable[str] | None = None,
) -> Decider:
    """Return a decider around one callable, or around one scikit-learn-like estimator a field.

    what: a sync or async function of the case; or field -> estimator with `predict`, and
    `predict_proba` and `classes_` where it measures. features: input -> one row for the estimators.
    version: of the trained artefact. calibration: "NAME@VERSION" if its probabilities are calibrated;
    only then is the value of least expected cost chosen over the most likely one. timeout: seconds or
    "4s"; it is abandoned then, and in any case at the deadline. remote: whom the callable calls, if it
    leaves this machine: then budgets, limits and a circuit breaker stand before each call. The first line
    of a function's docstring is the reason of answers that give none. clearance: the kinds of personal data
    that it may see, such as ["email"], or "all"; by default all where it stays on this machine, and none
    where it leaves it: it then asks case.view(). Raises UsageError for another type.
    """
    if remote is not None and not isinstance(remote, Remote):
        raise UsageError(
            f"remote is a {type(remote).__name__}",
            next_step='give ans.Remote(provider="acme", model="m-1", destination="api.acme.com")',
        )
    if isinstance(what, Mapping):
        if features is None:
            raise UsageError("estimators need features", next_step="give features=, a function of the input")
        measured = f"calibrated@{calibration}" if calibration else "raw"
        run: Any = Estimators(dict(what), features, measured)
        digest = run.digest
    elif callable(what):
        run, digest = what, code_digest(what)
    else:
        raise UsageError(
            f"a model cannot be a {type(what).__name__}",
            next_step="give a function of the case, or a mapping of output field -> estimator",
        )
    called = name or str(getattr(run, "__name__", "model"))
    return Decider(
        name=called,
        kind="model",
        run=run,
        version=version,
        digest=digest,
        timeout=None if timeout is None else seconds(timeout, what="timeout"),
        reason=_told_by(what) or f"{called} chose it",
        remote=remote,
        bind=getattr(run, "bind", None),
        settings=(("calibration", calibration),),
        clearance=cleared_for(clearance, remote=remote is not None),
    )


def default(output: Any, *, name: str = "default", reason: str = "the declared default") -> Decider:
    """Return the decider of last resort: always `output`, or what is missing; the answer is degraded."""
    if output is None:
        raise UsageError(
            "a default needs an output", next_step="give the output model, or some of its fields"
        )
    declared = copy.deepcopy(output)  # nobody outside can change it under its digest
    digest = hashlib.sha256(encode(declared, what="default")).hexdigest()

    def run(case: Case[Any]) -> Any:
        return Answer(copy.deepcopy(declared), reason=reason)  # each case its own: callers may change theirs

    return Decider(
        name=name,
        kind="default",
        run=run,
        version=digest[:8],
        digest=digest,
        inline=True,
        reason=reason,
        settings=(("output", declared),),
    )


def person(
    *,
    queue: str,
    within: float | str | timedelta,
    then: Any = None,
    name: str = "person",
) -> Decider:
    """Return the decider that suspends: somebody from `queue` answers later, by `ws.resolve`.

    within: time for it (seconds, "4h"); it survives a restart. then: the output applied when it is
    over, or None to leave the case open.
    """
    due = seconds(within, what="within")
    word(queue, what="queue")
    declared = copy.deepcopy(then)  # nobody outside can change it under its digest
    settings = (("queue", queue), ("within", due), ("then", declared))
    digest = hashlib.sha256(encode(settings, what="person")).hexdigest()

    def run(case: Case[Any]) -> Suspend:
        reason = f"a person from {queue} decides"
        return Suspend(queue=queue, within=due, then=copy.deepcopy(declared), reason=reason)

    return Decider(
        name=name,
        kind="person",
        run=run,
        version=digest[:8],
        digest=digest,
        inline=True,
        settings=settings,
    )


def _told_by(what: Any) -> str:
    """Return the first line that somebody wrote of a function; an object's own describes the object."""
    while isinstance(what, partial):
        what = what.func
    return _first_line(what) if inspect.isroutine(what) else ""


def _first_line(what: Any) -> str:
    text = (getattr(what, "__doc__", None) or "").strip()
    return text.splitlines()[0] if text else ""


class Estimators:
    """Runs one estimator a field on the features of a case's input."""

    def __init__(self, estimators: dict[str, Any], features: Callable[[Any], Any], measured: str) -> None:
        self.estimators, self.features, self.measured = estimators, features, measured

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the trained artefacts and of the feature code; the same in every process."""
        body = io.BytesIO()
        try:
            _SteadyPickler(body).dump(sorted(self.estimators.items()))
        except Exception as exc:  # an estimator may hold anything; a lambda inside does not pickle
            raise UsageError(
                f"the estimators have no digest: {exc}", next_step="use estimators that can be pickled"
            ) from exc
        return hashlib.sha256(body.getvalue() + code_digest(self.features).encode()).hexdigest()

    def bind(self, asked: Asked) -> None:
        """Check that every estimator answers a field of the output, with values that the field can have."""
        fields = {f.path: f for f in asked.output_fields}
        for name, estimator in self.estimators.items():
            if name not in fields:
                raise UsageError(
                    f"an estimator answers {name!r}, which is no output field",
                    next_step=did_you_mean(name, fields),
                )
            known = fields[name].values
            for value in map(_python, getattr(estimator, "classes_", ())):
                if known and value not in known:
                    raise UsageError(
                        f"the estimator for {name} answers {value!r}, which {name} cannot be",
                        next_step=did_you_mean(str(value), map(str, known)),
                    )

    def __call__(self, case: Case[Any]) -> Answer[Any] | Abstain:
        """Return the most likely value of each field that is still open, with its distribution."""
        row = [self.features(case.input)]
        output: dict[str, Any] = {}
        beliefs: dict[str, Belief] = {}
        for name, estimator in self.estimators.items():
            if name in case.answered:
                continue
            if hasattr(estimator, "predict_proba"):
                ps = [_rounded(float(p)) for p in estimator.predict_proba(row)[0]]
                values = [_python(c) for c in estimator.classes_]
                best = max(range(len(ps)), key=ps.__getitem__)
                output[name] = values[best]
                beliefs[name] = Belief(
                    p=ps[best],
                    distribution=dict(zip(values, ps, strict=True)),
                    measured=self.measured,
                )
            else:
                output[name] = _python(estimator.predict(row)[0])
                beliefs[name] = Belief(measured="none")
        if not output:
            return Abstain("every field is answered")
        told = (f"{n} {v}{_sure(beliefs[n])}" for n, v in output.items())
        return Answer(output, beliefs=beliefs, reason=f"most likely {', '.join(told)}")


def _sure(belief: Belief) -> str:
    return "" if belief.p is None else f" ({belief.p:.0%})"


class _SteadyPickler(pickle.Pickler):
    """Pickles the same estimator to the same bytes, trained here or loaded, in this process or the next."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=5)
        self.fast = True  # without a memo, whose references tell which strings happen to be one object

    def reducer_override(self, obj: Any) -> Any:
        """Leave out an address of the process, which scikit-learn's vectorizers keep."""
        if "_stop_words_id" not in getattr(obj, "__dict__", ()):
            return NotImplemented
        twin = copy.copy(obj)
        del twin._stop_words_id
        return twin.__reduce_ex__(5)


def _rounded(p: float) -> float:
    """Bring a probability that floating point put just outside [0, 1] back."""
    return min(1.0, max(0.0, p)) if -1e-9 < p < 1 + 1e-9 else p


def _python(value: Any) -> Any:
    """Turn a numpy scalar into Python's."""
    return value.item() if hasattr(value, "item") else value
