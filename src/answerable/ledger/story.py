"""Tells a case to a person, an operator or an auditor, from the `why` data alone."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from textwrap import wrap
from typing import Any, Literal

from answerable.encoding import MICRO

Reader = Literal["person", "operator", "auditor"]
READERS: tuple[Reader, ...] = ("person", "operator", "auditor")
_JOINERS = "\u200c\u200d"  # within words of some scripts, and in emoji
_TECHNICAL = re.compile(r"\.csv, line \d+$|^most likely ")  # what deciders say without an author's words
_WIDTH = 100  # characters of a value shown in a line


def summary(why: Mapping[str, Any]) -> str:
    """Return one paragraph a person can read: what was asked, what was answered, by what and why."""
    question = why["definition"].get("question", why["decision"])
    about = f" about {why['key']}" if why["key"] else ""
    sentences = [f"On {_when(why['at'])} this was asked{about}: {question}"]
    sentences.append(_ending(why))
    earlier = [a for a in why["attempts"] if a["result"] not in ("accepted", "suspended")]
    if earlier and why["status"] in ("answered", "escalated"):
        sentences.append("Before that, " + "; ".join(_passed_over(a) for a in earlier) + ".")
    if why["degraded"]:
        sentences.append(f"This is a second-best answer ({_plainly(why['degraded'])}).")
    for truth in why["truths"]:
        answered = why["output"] or {}
        wrong = [n for n, v in truth["fields"].items() if answered.get(n) != v]
        verdict = "the answer was wrong in " + " and ".join(wrong) if wrong else "the answer was right"
        verdict = verdict if answered else "there was no answer to compare it with"
        sentences.append(f"Later {truth['source']} reported {_values(truth['fields'])}: {verdict}.")
    if why["status"] == "escalated" and why["due"]:
        sentences.append(f"A person has until {_when(why['due'])}.")
    return _printable(" ".join(sentences))


def tell(why: Mapping[str, Any], reader: Reader, *, width: int = 100) -> str:
    """Return the whole story for one kind of reader; its paragraph is wrapped at `width` characters."""
    lines = [*(_for_person(why) if reader == "person" else _for_operator(why, width))]
    if reader == "auditor":
        lines += ["", *_for_auditor(why)]
    return "\n".join(map(_printable, lines))


def _for_person(why: Mapping[str, Any]) -> Iterator[str]:
    """Say what, why and what happens next, without a technical word, an exception text or a secret."""
    if not why["proof"]["verified"]:
        yield "We cannot tell you what was decided: the record does not match what was signed at the time."
        yield f"Please tell us this number: {why['record_id']}"
        return
    question = why["definition"].get("question", why["decision"])
    yield f"We had to answer this question: {question}"
    if why["status"] == "answered":
        yield f"The answer is: {_values(why['output'])}."
        who = "A person" if _by_person(why) else "A computer program"
        yield f"{who} decided this on {_when(why['at'])}."
        reasons = _plain_reasons(why)
        if reasons and not why["degraded"]:
            yield f"The reason given: {'; '.join(reasons).rstrip('.')}."
        if why["degraded"]:
            yield "It is a precaution: no better answer was possible at that time."
    elif why["status"] == "escalated":
        yield "It is not answered yet: a person will look at it."
        if why["due"]:
            yield f"That will happen by {_when(why['due'])}."
    elif why["status"] == "refused":
        yield "The question was not answered, because the request could not be accepted."
    else:
        yield "It could not be answered because of a technical problem on our side."
    wrong = (
        "If you think this is wrong, tell us"
        if why["status"] == "answered"
        else "If you have a question, give us"
    )
    yield f"{wrong} this number: {why['record_id']}"


def _for_operator(why: Mapping[str, Any], width: int) -> Iterator[str]:
    if not why["proof"]["verified"]:
        yield "WARNING: this record does not match what was signed; do not rely on anything below."
        yield ""
    yield f"{why['decision']} version {why['version']}" + (f", {why['key']}" if why["key"] else "")
    yield f"record {why['record_id']}"
    yield ""
    yield from wrap(why["summary"], width=width)
    yield ""
    yield "What was given"
    yield from (f"  {name}: {_short(value)}" for name, value in _items(why["input"]))
    if why["reads"]:
        yield "What was read"
        yield from (f"  {_short(read)}" for read in why["reads"])
    yield "What was tried"
    for number, attempt in enumerate(why["attempts"], start=1):
        yield f"  {number}. {attempt['decider']}: {_result(attempt)} in {_time(attempt.get('latency_us', 0))}"
        if attempt.get("reason"):
            yield f"     {_short(attempt['reason'])}"
        yield from (f"     {line}" for line in _sure(attempt))
    yield "What came out"
    yield f"  {why['status']}" + (f": {_values(why['output'])}" if why["output"] else "")
    if why["status"] != "answered" and why["proposal"]:
        yield f"  best proposal: {_values(why['proposal'])}"
    yield from (f"  {line}" for line in _afterwards(why))
    yield f"  proof: {_proof(why['proof'])}"


def _for_auditor(why: Mapping[str, Any]) -> Iterator[str]:
    who = why["principal"]
    yield "For the auditor"
    yield f"  asked by {who['id']} ({'verified' if who.get('verified') else 'asserted, not verified'})"
    yield f"  purpose {why['purpose']}, stage {why['stage']}, owner {why['definition'].get('owner')}"
    stakes = why["definition"].get("stakes")
    if stakes:
        wrong, review = (f"{stakes[n]} {stakes['currency']}" for n in ("wrong", "review"))
        yield f"  stakes: severity {stakes['severity']}, a wrong field costs {wrong}, a review {review}"
    for name, value in sorted(why["versions"].items()):
        yield f"  {name}: {value}"
    for attempt in why["attempts"]:
        if attempt.get("expected_cost") is not None:
            cost = f"{attempt['expected_cost'] / MICRO:.4f} {why['currency']}"
            yield f"  {attempt['decider']}: expected cost of error {cost}"
    if why["proof"]["checkpoint"]:
        yield f"  checkpoint: {why['proof']['checkpoint']}"
    yield f"  index in the log: {why['proof']['index']} (counted from 0)"
    yield f"  take the proof away: answerable ledger prove {why['record_id']}"


def _ending(why: Mapping[str, Any]) -> str:
    if why["status"] == "answered":
        because = [r for r in why["reasons"] if r]
        settled = [a for a in why["attempts"] if a.get("settled")]
        if len(settled) > 1 and not why["reviews"]:
            parts = "; ".join(_share(attempt) for attempt in settled)
            return f"The answer was {_values(why['output'])}. {parts}."
        how = f": {'; '.join(because).rstrip('.')}" if because else ""
        sure = "" if why["confidence"] in (None, 1.0) else f", {why['confidence']:.0%} sure"
        return f"The answer was {_values(why['output'])}, given by {_who(why['decider'])}{sure}{how}."
    if why["status"] == "escalated":
        return f"It was passed to a person: {why['reason'].rstrip('.')}."
    if why["status"] == "refused":
        return f"It was refused: {why['reason'].rstrip('.')}."
    return f"No decider could answer it: {why['reason'].rstrip('.')}."


def _share(attempt: Mapping[str, Any]) -> str:
    """Say which fields an attempt settled, where several deciders share an answer."""
    fields, reason = " and ".join(attempt["settled"]), attempt["reason"].rstrip(".")
    return f"{_who(attempt['decider'])} gave {fields} ({reason})"


def _passed_over(attempt: Mapping[str, Any]) -> str:
    who = _who(attempt["decider"])
    reason = f" ({attempt['reason'].rstrip('.')})" if attempt.get("reason") else ""
    verbs = {
        "abstained": "had nothing to say",
        "rejected": "proposed " + _values(attempt.get("output") or {}) + ", which was not accepted",
        "refused": "refused",
        "failed": "failed",
    }
    return f"{who} {verbs[attempt['result']]}{reason}"


def _result(attempt: Mapping[str, Any]) -> str:
    said = attempt["result"]
    if attempt.get("output"):
        said += f" {_values(attempt['output'])}"
    if attempt.get("fault"):
        said += f" [{attempt['fault']}]"
    return str(said)


def _sure(attempt: Mapping[str, Any]) -> Iterator[str]:
    for name, belief in attempt.get("beliefs", {}).items():
        if belief["measured"] == "asserted":
            continue
        what = "the whole answer" if name == "*" else name
        if belief["p"] is None:
            yield f"{what}: not measured"
            continue
        line = f"{what}: {belief['p']:.0%} sure ({belief['measured']})"
        others = sorted(belief.get("distribution", []), key=lambda pair: -pair[1])[1:3]
        if others:
            line += ", next " + ", ".join(f"{value} {p:.0%}" for value, p in others)
        yield line


def _afterwards(why: Mapping[str, Any]) -> Iterator[str]:
    for review in why["reviews"]:
        late = " (late, kept as an opinion)" if review["kind"] == "opinion" else ""
        yield f"{_when(review['at'])}: {_who(review['by'])} said {_values(review['output'])}{late}"
    for truth in why["truths"]:
        yield f"{_when(truth['at'])}: {truth['source']} reported {_values(truth['fields'])}"
    for other in why["links"]:
        yield f"{_when(other['at'])}: {other['kind']} {other['record_id']}"


def _proof(proof: Mapping[str, Any]) -> str:
    if proof["verified"]:
        return f"entry {proof['index']} of the log, in the signed tree"
    return f"entry {proof['index']} does NOT verify: {proof.get('problem', 'run `answerable ledger verify`')}"


def _by_person(why: Mapping[str, Any]) -> bool:
    return str(why["decider"]).startswith("person:")


def _plain_reasons(why: Mapping[str, Any]) -> list[str]:
    """Return the reasons that their authors wrote, without a decider's name and what a mistake costs."""
    stock = {"", *(f"{str(a['decider']).partition('@')[0]} chose it" for a in why["attempts"])}
    told = [reason.partition("; expected cost of error")[0] for reason in why["reasons"]]
    fields = tuple(f"{field['path']}: " for field in why["definition"].get("output", ()))
    return [
        reason
        for reason in told
        if reason not in stock and not _TECHNICAL.search(reason) and not reason.startswith(fields)
    ]


def _printable(line: str) -> str:
    """Return one line that cannot move a cursor, turn text around or forge a second line."""
    return "".join(c if c.isprintable() or c in _JOINERS else " " if c.isspace() else "\ufffd" for c in line)


def _who(made_by: str | None) -> str:
    name, _, version = str(made_by or "nobody").partition("@")
    return f"{name} (version {version})" if version else name


def _values(values: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} = {_short(value)}" for name, value in _items(values)) or "nothing"


def _items(values: Any) -> list[tuple[str, Any]]:
    return (
        list(values.items()) if isinstance(values, Mapping) else [] if values is None else [("value", values)]
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]} ... ({len(text)} characters)"


def _when(at: str) -> str:
    moment = datetime.fromisoformat(at)
    return f"{moment.day} {moment:%B %Y at %H:%M} UTC"


def _time(micro: int) -> str:
    return (
        f"{micro} us"
        if micro < 1000
        else f"{micro / 1000:.1f} ms"
        if micro < MICRO
        else f"{micro / MICRO:.1f} s"
    )


def _plainly(degraded: str) -> str:
    kind, _, fault = degraded.partition(":")
    known = {"default": "the declared default", "expired": "nobody answered in time"}
    return known.get(kind, f"an earlier decider failed: {fault}")
