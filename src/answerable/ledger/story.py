"""Tells a case to a person, an operator or an auditor, from the `why` data alone."""

from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap
from typing import Any, Literal

from answerable.failures.messages import (
    awaited,
    next_step,
    outside,
    redone_after,
    redone_as,
    sentences_for_person,
    spent,
)
from answerable.wording import (
    cause,
    consumed,
    degraded_by,
    items,
    lasted,
    line,
    money,
    printable,
    repeated,
    short,
    spoken_values,
    values,
    when,
    who,
    with_times,
)

Reader = Literal["person", "operator", "auditor"]
READERS: tuple[Reader, ...] = ("person", "operator", "auditor")


def summary(why: Mapping[str, Any]) -> str:
    """Return one paragraph a person can read: what was asked, what was answered, by what and why."""
    question = why["definition"].get("question", why["decision"])
    about = f" about {why['key']}" if why["key"] else ""
    sentences = [f"On {when(why['at'])} this was asked{about}: {question}"]
    if gone := why.get("gone"):
        sentences.append(f"What was given and answered {gone['told']}; that it was asked stays on record.")
        return printable(" ".join(sentences))
    sentences.append(_ending(why))
    earlier = [a for a in why["attempts"] if a["result"] not in ("accepted", "suspended")]
    if earlier and why["status"] in ("answered", "escalated"):
        sentences.append("Before that, " + "; ".join(_passed_over(a) for a in earlier) + ".")
    if why["degraded"]:
        sentences.append(f"This is a second-best answer ({degraded_by(why['degraded'])}).")
    if anew := redone_after(why):
        sentences.append(f"It was {anew}.")
    if (after := redone_as(why)) is not None:
        sentences.append(f"It was decided anew on {when(after['at'])}, as record {after['record_id']}.")
    for truth in why["truths"]:
        answered = why["output"] or {}
        wrong = [n for n, v in truth["fields"].items() if answered.get(n) != v]
        verdict = "the answer was wrong in " + " and ".join(wrong) if wrong else "the answer was right"
        verdict = verdict if answered else "there was no answer to compare it with"
        sentences.append(f"Later {truth['source']} reported {values(truth['fields'])}: {verdict}.")
    if why["status"] == "escalated" and why["due"]:
        sentences.append(f"A person has until {when(why['due'])}.")
    if why["fault"] == "interrupted":
        sentences += _left(why)
    return printable(" ".join(sentences))


def tell(why: Mapping[str, Any], reader: Reader, *, width: int = 100) -> str:
    """Return the whole story for one kind of reader; its paragraph is wrapped at `width` characters."""
    lines = [*(_for_person(why) if reader == "person" else _for_operator(why, width))]
    if reader == "auditor":
        lines += ["", *_for_auditor(why)]
    return "\n".join(_within(map(printable, lines), width))


def _within(lines: Iterable[str], width: int) -> Iterator[str]:
    """Wrap lines that are too long, further in than they begin; a word that is longer stays whole."""
    for told in lines:
        inside = len(told) - len(told.lstrip())
        if len(told) <= width or not inside:  # a person's sentences are lines of a letter; so is the head
            yield told
            continue
        indent = " " * (inside + 2)
        whole = wrap(told, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        yield from whole


def _for_person(why: Mapping[str, Any]) -> Iterator[str]:
    """Say what, why and what happens next, without a technical word, an exception text or a secret."""
    if why["proof"]["verified"]:
        yield f"We had to answer this question: {why['definition'].get('question', why['decision'])}"
    yield from sentences_for_person(why)


def _for_operator(why: Mapping[str, Any], width: int) -> Iterator[str]:
    if not why["proof"]["verified"]:
        yield "WARNING: this record does not match what was signed; do not rely on anything below."
        yield ""
    yield f"{why['decision']} version {why['version']}" + (f", {why['key']}" if why["key"] else "")
    yield f"record {why['record_id']}"
    yield ""
    yield from wrap(why["summary"], width=width)
    yield ""
    if not why.get("gone"):
        yield "What was given"
    yield from (f"  {name}: {short(value)}" for name, value in items(why["input"]))
    if why["reads"]:
        yield "What was read"
        yield from (f"  {_read(read)}" for read in why["reads"])
    if why["attempts"]:  # nobody knows them where the process ended
        yield "What was tried"
    for number, attempt in enumerate(why["attempts"], start=1):
        took = lasted(attempt.get("latency_us", 0))
        yield f"  {number}. {attempt['decider']}: {_result(attempt)} in {took}"
        if attempt.get("reason"):
            yield f"     {_reason(attempt)}"
        yield from (f"     {told}" for told in (*_along(attempt, why["currency"]), *_sure(attempt)))
    yield "What came out"
    yield f"  {why['status']}" + (f": {values(why['output'])}" if why["output"] else "")
    if used := spent(why):
        yield f"  {used}"
    if why["status"] != "answered" and why["proposal"]:
        yield f"  best proposal: {values(why['proposal'])}"
    if why["status"] != "answered" or why["degraded"]:
        yield f"  next: {next_step(why)}"
    yield from (f"  {told}" for told in _afterwards(why))
    yield f"  proof: {_proof(why['proof'])}"


def _read(read: Mapping[str, Any]) -> str:
    """Tell a governed read: of what, by what it was picked, how much came, and what was held back."""
    if "result" not in read or "source" not in read:  # of code outside, which tells it in its own way
        return short(read)
    asked = f" for {short(values(read['params']))}" if read.get("params") else ""
    told = [f"{read['count']} row{'' if read['count'] == 1 else 's'} in {lasted(read.get('latency_us', 0))}"]
    if read["result"] != "read":
        told = [f"{read['result']}: {read.get('reason', '')}"]
    if read.get("keys"):
        told.append(short("; ".join(values(key) for key in read["keys"])))
    if read.get("filter"):
        told.append(f"only where {short(read['filter'])}")
    if read.get("masked") and read["result"] == "read":
        told.append(f"without {', '.join(read['masked'])}")
    if read["quarantined"]:
        told.append(f"{read['quarantined']} more broke the contract")
    if read.get("cut"):
        told.append("and more rows, which the source's limit left out")
    if read.get("stale"):
        told.append(f"stale, of {when(read['as_of']) if read.get('as_of') else 'an unknown time'}")
    return f"{read['source']}{asked}: {', '.join(told)}"


def _for_auditor(why: Mapping[str, Any]) -> Iterator[str]:
    asked = why["principal"]
    yield "For the auditor"
    yield f"  asked by {asked['id']} ({'verified' if asked.get('verified') else 'asserted, not verified'})"
    yield f"  purpose {why['purpose']}, stage {why['stage']}, owner {why['definition'].get('owner')}"
    stakes = why["definition"].get("stakes")
    if stakes:
        wrong, review = (f"{stakes[n]} {stakes['currency']}" for n in ("wrong", "review"))
        yield f"  stakes: severity {stakes['severity']}, a wrong field costs {wrong}, a review {review}"
    if named := (why.get("permit") or {}).get("policies"):
        yield f"  decided by the policies {', '.join(named)}"
    for name, value in sorted(why["versions"].items()):
        yield f"  {name}: {value}"
    if why.get("destinations"):
        classes = ", ".join(why.get("classes") or ()) or "none declared"
        clear = ", ".join(why.get("in_clear") or ()) or "nothing personal"
        yield f"  could be sent to: {', '.join(why['destinations'])}; data classes: {classes}"
        yield f"  sent in clear: {clear}; pseudonyms stood for the rest"
    for attempt in why["attempts"]:
        if attempt.get("expected_cost") is not None:
            cost = money(attempt["expected_cost"], why["currency"])
            yield f"  {attempt['decider']}: expected cost of error {cost}"
    if why["proof"]["checkpoint"]:
        yield f"  checkpoint: {why['proof']['checkpoint']}"
    yield f"  index in the log: {why['proof']['index']} (counted from 0)"
    yield f"  take the proof away: answerable ledger prove {why['record_id']}"


def _ending(why: Mapping[str, Any]) -> str:
    reason = with_times(line(why["reason"])).rstrip(".")
    if why["status"] == "answered":
        because = [r for r in why["reasons"] if r]
        settled = [a for a in why["attempts"] if a.get("settled")]
        if len(settled) > 1 and not why["reviews"]:
            parts = "; ".join(_share(attempt) for attempt in settled)
            return f"The answer was {spoken_values(why['output'])}. {parts}."
        how = f": {'; '.join(because).rstrip('.')}" if because else ""
        sure = "" if why["confidence"] in (None, 1.0) else f", {why['confidence']:.0%} sure"
        return f"The answer was {spoken_values(why['output'])}, given by {who(why['decider'])}{sure}{how}."
    if why["status"] == "escalated":
        to = "It was passed to a person" if awaited(why) else "It was not decided and waits for nobody"
        return f"{to}: {reason}."
    if why["status"] == "refused":
        return f"It was refused: {reason}."
    return f"No decider could answer it: {reason}."


def _left(why: Mapping[str, Any]) -> Iterator[str]:
    """Say what was about to leave when the process ended, and what that is held to have cost."""
    opened = next((other for other in why["links"] if other["kind"] == "opened"), None)
    if opened is not None:
        to = " or ".join(why.get("destinations") or ()) or "somebody outside"
        yield f"On {when(opened['at'])} it was opened to call {to}; it has not come back."
    tokens = why.get("tokens") or {}
    most = [
        money(why["cost"], why["currency"]) if why["cost"] else "",
        f"{tokens['in']:,} tokens" if tokens.get("in") else "",
    ]
    if held := " and ".join(filter(None, most)):
        yield f"Its budgets were settled at the most that its calls can have consumed: {held}."
    else:
        yield "No budget held anything for it, so what its calls have cost is not known."


def _share(attempt: Mapping[str, Any]) -> str:
    """Say which fields an attempt settled, where several deciders share an answer."""
    fields, reason = " and ".join(attempt["settled"]), attempt["reason"].rstrip(".")
    return f"{who(attempt['decider'])} gave {fields} ({reason})"


def _passed_over(attempt: Mapping[str, Any]) -> str:
    name = who(attempt["decider"])
    reason = f" ({_reason(attempt).rstrip('.')})" if attempt.get("reason") else ""
    verbs = {
        "abstained": "had nothing to say",
        "rejected": "proposed " + spoken_values(attempt.get("output") or {}) + ", which was not accepted",
        "refused": "refused",
        "failed": "failed",
    }
    return f"{name} {verbs[attempt['result']]}{reason}"


def _reason(attempt: Mapping[str, Any]) -> str:
    """Return an attempt's reason, whole; times in it are as people say them where the words are ours."""
    told = line(attempt["reason"])
    return with_times(told) if attempt.get("fault") == "circuit-open" else told


def _result(attempt: Mapping[str, Any]) -> str:
    said = attempt["result"]
    if attempt.get("output"):
        said += f" {values(attempt['output'])}"
    if attempt.get("fault"):
        said += f" [{attempt['fault']}]"
    return str(said)


def _along(attempt: Mapping[str, Any], currency: str) -> Iterator[str]:
    """Yield what happened within an attempt: who was called, at what cost, how often; what was cut."""
    usage = attempt.get("usage") or {}
    used = consumed(usage.get("cost"), currency, usage.get("tokens_in"), usage.get("tokens_out"))
    if told := "; ".join(filter(None, (outside(attempt), used))):
        yield told
    if calls := repeated(attempt):
        yield calls
    yield from map(line, attempt.get("notes", ()))


def _sure(attempt: Mapping[str, Any]) -> Iterator[str]:
    for name, belief in attempt.get("beliefs", {}).items():
        if belief["measured"] == "asserted":
            continue
        what = "the whole answer" if name == "*" else name
        if belief["p"] is None:
            yield f"{what}: not measured"
            continue
        told = f"{what}: {belief['p']:.0%} sure ({belief['measured']})"
        others = sorted(belief.get("distribution", []), key=lambda pair: -pair[1])[1:3]
        if others:
            told += ", next " + ", ".join(f"{value} {p:.0%}" for value, p in others)
        yield told


def _afterwards(why: Mapping[str, Any]) -> Iterator[str]:
    for review in why["reviews"]:
        late = " (late, kept as an opinion)" if review["kind"] == "opinion" else ""
        yield f"{when(review['at'])}: {who(review['by'])} said {values(review['output'])}{late}"
    for truth in why["truths"]:
        yield f"{when(truth['at'])}: {truth['source']} reported {values(truth['fields'])}"
    for other in why["links"]:
        if other["kind"] != "opened":  # each case that sent something out has one, and its record says more
            yield f"{when(other['at'])}: {_linked(other)}"


def _linked(other: Mapping[str, Any]) -> str:
    """Say what another entry that belongs to this case tells."""
    detail = other.get("detail") or {}
    if other["kind"] == "alert" and detail.get("what"):
        return with_times(line(f"an operator was told: {detail['what']}; next: {detail['next_step']}"))
    if other["kind"] == "breaker":
        named = " ".join(str(detail[n]) for n in ("provider", "model") if detail.get(n)) or other.get("model")
        because = detail.get("why") or (cause(other["fault"]) if other.get("fault") else "")
        what = "go on again" if other.get("status") == "closed" else "were paused"
        return f"calls to {named or 'a provider'} {what}{f': {with_times(line(because))}' if because else ''}"
    if other["kind"] == "case":
        return f"a later case followed from it, record {other['record_id']}"
    if other["kind"] == "redone":
        return f"it was decided anew, record {other['record_id']}"
    return f"{other['kind']} {other['record_id']}"


def _proof(proof: Mapping[str, Any]) -> str:
    if proof["verified"]:
        return f"entry {proof['index']} of the log, in the signed tree"
    return f"entry {proof['index']} does NOT verify: {proof.get('problem', 'run `answerable ledger verify`')}"
