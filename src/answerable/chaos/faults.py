"""The forty faults as data: what each provider sends, and what a good system does then."""

from typing import Any

from answerable.chaos.replies import (
    AZURE_FILTER,
    BROKEN,
    DOWN,
    FENCED,
    HALF,
    MALFORMED,
    MORE_KEYS,
    NO_KEY,
    NO_MODEL,
    NUMBER_AS_TEXT,
    NUMBER_AS_WORD,
    OVERLOADED,
    PORTAL,
    PROSE,
    QUOTA,
    SOUND,
    SPEND_LIMIT,
    TOO_LARGE,
    TOO_LONG,
    TOO_LONG_LLAMA,
    WRONG_CHOICE,
    Reply,
    Wire,
    fails,
    rate_limited,
    says,
)
from answerable.chaos.variants import Expected, Fault, Reach, Variant, again, handed_on, kept_back

_LOST = 0.75  # seconds a call on this machine may take when other work has the cores
_SLOW: tuple[Wire, ...] = ("hang", "drip", "stall")
_BROKEN: tuple[tuple[str, Wire], ...] = (("reset before the headers", "reset"), ("reset in the body", "cut"))
_AWAY: tuple[tuple[str, Reach], ...] = (
    ("nobody listens", "refused"),
    ("a name that does not exist", "nowhere"),
    ("an expired certificate", "expired-tls"),
)


def _misquoted(values: dict[str, Any]) -> dict[str, Any]:
    return values | {"team": values["team"] | {"quotes": ["I want all of it back at once"]}}


# -- the faults --------------------------------------------------------------------------------------------

FAULTS: tuple[Fault, ...] = (
    Fault(
        number=1,
        title="429 with Retry-After: 1, then an answer",
        variants=(
            Variant(
                name="Retry-After: 1",
                primary=(rate_limited(retry_after="1"), SOUND),
                expected=again(waits=((1.0, 1.0 + 2 * _LOST),)),
            ),
        ),
    ),
    Fault(
        number=2,
        title="429 with Retry-After: 30 and 5 s left",
        variants=(
            Variant(
                name="Retry-After: 30",
                primary=(rate_limited(retry_after="30"),),
                deadline=5.0,
                cases=2,
                expected=handed_on(1, "rate-limit", second=(2, 2), within=2 * _LOST, also=("open-until-30",)),
            ),
        ),
    ),
    Fault(
        number=3,
        title="Retry-After in other forms, and as nonsense",
        variants=(
            Variant(
                name="a date",
                primary=(Reply(status=429, code="rate_limit_exceeded", until=1.0), SOUND),
                expected=again(waits=((0.9, 3.0),)),
            ),
            Variant(
                name="retry-after-ms: 250",
                primary=(rate_limited(retry_after_ms="250"), SOUND),
                expected=again(waits=((0.25, 0.25 + 2 * _LOST),)),
            ),
            *(
                Variant(
                    name=f"Retry-After: {text}",
                    primary=(rate_limited(retry_after=text), SOUND),
                    expected=Expected(primary=(1, 2), second=(0, 1), by=("primary", "second"), within=3.0),
                )
                for text in ("-5", "abc", "1e9", "nan", "")
            ),
        ),
    ),
    Fault(
        number=4,
        title="Retry-After that grows: 1, 2, 4",
        variants=(
            Variant(
                name="1, 2, 4",
                primary=(*(rate_limited(retry_after=s) for s in ("1", "2", "4")), SOUND),
                deadline=12.0,
                expected=Expected(
                    primary=(4, 4), degraded=False, waits=((1.0, 1.9), (2.0, 2.9), (4.0, 4.9)), within=9.5
                ),
            ),
        ),
    ),
    Fault(
        number=5,
        title="429 that is a quota used up",
        variants=(
            Variant(
                name="insufficient_quota",
                primary=(QUOTA,),
                cases=2,
                expected=handed_on(1, "quota", second=(2, 2), within=2 * _LOST, alerts=("quota",)),
            ),
        ),
    ),
    Fault(
        number=6,
        title="Anthropic's 429 for a spend limit, without Retry-After",
        variants=(
            Variant(
                name="enforced_spend_limit_reached",
                primary=(SPEND_LIMIT,),
                setting="anthropic",
                cases=2,
                expected=handed_on(1, "quota", second=(2, 2), within=2 * _LOST, alerts=("quota",)),
            ),
        ),
    ),
    Fault(
        number=7,
        title="529 overloaded once, then an answer",
        variants=(
            Variant(name="529", primary=(OVERLOADED, SOUND), expected=again(within=3.0)),
            Variant(
                name="529 of Anthropic",
                primary=(OVERLOADED, SOUND),
                setting="anthropic",
                expected=again(within=3.0),
            ),
            Variant(
                name="503",
                primary=(fails(503, None, "Service unavailable."), SOUND),
                expected=again(within=3.0),
            ),
        ),
    ),
    Fault(
        number=8,
        title="500 for ever",
        variants=(
            Variant(name="500", primary=(DOWN,), expected=handed_on(2, "server-error", within=4.0)),
            Variant(
                name="502 as HTML",
                primary=(Reply(status=502, kind="text/html", body="<html>Bad Gateway</html>"),),
                expected=handed_on(2, "server-error", within=4.0),
            ),
        ),
    ),
    Fault(number=9, title="20 requests while the primary is dead", scenario="dead_primary"),
    Fault(number=10, title="50 requests at once at half-open", scenario="half_open"),
    Fault(number=11, title="the primary recovers", scenario="recovery"),
    Fault(
        number=12,
        title="401 on the primary",
        variants=(
            Variant(
                name="invalid_api_key",
                primary=(NO_KEY,),
                cases=2,
                expected=handed_on(
                    2, "auth", second=(2, 2), within=2 * _LOST, alerts=("auth",), also=("no-secret",)
                ),
            ),
            Variant(
                name="403",
                primary=(fails(403, "permission_denied", "You have no access to this model."),),
                expected=handed_on(1, "auth", within=2 * _LOST, alerts=("auth",)),
            ),
        ),
    ),
    Fault(
        number=13,
        title="404 model_not_found",
        variants=(
            Variant(
                name="a model that is gone",
                primary=(NO_MODEL,),
                expected=handed_on(1, "not-found", within=2 * _LOST, alerts=("not-found",)),
            ),
            Variant(
                name="a name misspelt",
                primary=(NO_MODEL,),
                setting="misspelt",
                expected=handed_on(
                    1, "not-found", within=2 * _LOST, alerts=("not-found",), also=("suggestion",)
                ),
            ),
        ),
    ),
    Fault(
        number=14,
        title="400 for a schema the provider does not take",
        variants=(
            Variant(
                name="invalid_schema",
                primary=(MALFORMED,),
                expected=kept_back(
                    1, "rejected", within=2 * _LOST, alerts=("rejected",), also=("request-id",)
                ),
            ),
        ),
    ),
    Fault(
        number=15,
        title="the input is larger than the context",
        variants=(
            *(
                Variant(
                    name=f"{name}, fits when cut",
                    primary=(reply, SOUND),
                    setting="long",
                    expected=again(degraded=True, within=4.0, also=("shorter", "says-what-was-cut")),
                )
                for name, reply in (("by its code", TOO_LONG), ("in llama.cpp's words", TOO_LONG_LLAMA))
            ),
            Variant(
                name="never fits",
                primary=(TOO_LONG,),
                setting="long",
                expected=handed_on(2, "context-overflow", within=4.0),
            ),
            Variant(
                name="fits nowhere",
                primary=(TOO_LONG,),
                second=(TOO_LONG,),
                setting="long",
                expected=kept_back(2, "context-overflow", second=(1, 2), within=4.0),
            ),
        ),
    ),
    Fault(
        number=16,
        title="413 as HTML from a proxy",
        variants=(
            Variant(
                name="fits when cut",
                primary=(TOO_LARGE, SOUND),
                setting="long",
                expected=again(degraded=True, within=4.0, also=("shorter", "says-what-was-cut")),
            ),
            Variant(
                name="never fits",
                primary=(TOO_LARGE,),
                setting="long",
                expected=handed_on(2, "context-overflow", within=4.0),
            ),
        ),
    ),
    Fault(
        number=17,
        title="cut off at the token limit",
        variants=(
            Variant(name="once", primary=(HALF, SOUND), expected=again(within=4.0, also=("more-room",))),
            Variant(name="for ever", primary=(HALF,), expected=handed_on(2, "truncated", within=4.0)),
        ),
    ),
    Fault(
        number=18,
        title="JSON that is broken or of the wrong form",
        variants=(
            *(
                Variant(name=f"{name}, then right", primary=(reply, SOUND), expected=again(within=4.0))
                for name, reply in (
                    ("broken JSON", BROKEN),
                    ("a choice that is none", WRONG_CHOICE),
                    ("a word for a number", NUMBER_AS_WORD),
                )
            ),
            *(
                Variant(name=name, primary=(reply, SOUND), expected=Expected(primary=(1, 2), degraded=False))
                for name, reply in (("a number as text", NUMBER_AS_TEXT), ("more keys", MORE_KEYS))
            ),
            *(
                Variant(
                    name=f"{name} for ever", primary=(reply,), expected=handed_on(2, "invalid", within=4.0)
                )
                for name, reply in (("broken JSON", BROKEN), ("a choice that is none", WRONG_CHOICE))
            ),
        ),
    ),
    Fault(
        number=19,
        title="prose for JSON; JSON in a code fence",
        variants=(
            Variant(
                name="prose",
                primary=(PROSE,),
                expected=handed_on(2, "invalid", "garbled", primary=(1, 2), within=4.0),
            ),
            Variant(name="a fence", primary=(FENCED,), expected=Expected(degraded=False, within=2.0)),
        ),
    ),
    Fault(
        number=20,
        title="nothing in the reply",
        variants=tuple(
            Variant(
                name=name,
                primary=(reply,),
                expected=handed_on(2, "empty", "garbled", primary=(1, 2), within=4.0),
            )
            for name, reply in (
                ("empty content", says(lacks="content")),
                ("only thoughts", says(thinking=True)),
                ("choices: []", says(lacks="choices")),
                ("message: null", says(lacks="message")),
            )
        ),
    ),
    Fault(
        number=21,
        title="200 with something else",
        variants=(
            Variant(name="a captive portal", primary=(PORTAL,), expected=handed_on(1, "garbled", within=3.0)),
            Variant(
                name="plain text",
                primary=(Reply(kind="text/plain", body="upstream connect error"),),
                expected=handed_on(1, "garbled", within=3.0),
            ),
            Variant(
                name="an answer that calls itself HTML",
                primary=(Reply(kind="text/html"),),
                expected=Expected(second=(0, 1), by=("primary", "second"), within=3.0),
            ),
            Variant(
                name="no gzip",
                primary=(Reply(wire="bad-gzip"),),
                expected=handed_on(1, "garbled", within=3.0),
            ),
        ),
    ),
    Fault(
        number=22,
        title="content filters and refusals",
        variants=(
            Variant(
                name="finish_reason content_filter",
                primary=(says(finish="content-filter"),),
                expected=kept_back(1, "content-filter", within=2.0),
            ),
            Variant(
                name="a refusal",
                primary=(says(finish="refusal"),),
                expected=kept_back(1, "refusal", within=2.0),
            ),
            Variant(
                name="a refusal, with a person",
                primary=(says(finish="refusal"),),
                setting="person",
                expected=kept_back(1, "refusal", by=("person",), degraded=None, within=2.0),
            ),
            Variant(
                name="400 of Azure's filter",
                primary=(AZURE_FILTER,),
                expected=kept_back(1, "content-filter", within=2.0),
            ),
            Variant(
                name="a refusal of Anthropic",
                primary=(says(finish="refusal"),),
                setting="anthropic",
                expected=kept_back(1, "refusal", "content-filter", within=2.0),
            ),
            Variant(
                name="one of three questions",
                primary=(says(refuses=1),),
                setting="decisions",
                expected=Expected(by=("default",), degraded=True, within=2.0, also=("others-kept",)),
            ),
        ),
    ),
    Fault(
        number=23,
        title="a valid answer that is made up",
        variants=tuple(
            Variant(
                name=name,
                primary=(says(values=change),),
                setting="checked",
                expected=handed_on(1, "check", degraded=None, within=3.0),
            )
            for name, change in (
                ("an order that is not known", lambda v: v | {"order": "O-9999"}),
                (
                    "a quote that stands nowhere",
                    _misquoted,
                ),
                ("a date ahead", lambda v: v | {"bought": "2999-01-01"}),
                ("a sum that is wrong", lambda v: v | {"total": 99}),
            )
        ),
    ),
    Fault(
        number=24,
        title="little confidence, or one that is no probability",
        variants=(
            Variant(
                name="0.41",
                primary=(says(doubt=0.41),),
                setting="decisions-measured",
                expected=handed_on(1, degraded=None, second=(0, 1), by=("second", "default"), within=3.0),
            ),
            *(
                Variant(
                    name=name,
                    primary=(reply,),
                    setting="decisions-measured",
                    expected=handed_on(
                        1, degraded=None, primary=(1, 2), second=(0, 1), by=("second", "default"), within=3.0
                    ),
                )
                for name, reply in (
                    ("NaN", says(doubt=float("nan"))),
                    ("1.7", says(doubt=1.7)),
                    ("a sum of 0.6", says(doubt=0.55, loses=0.4)),
                )
            ),
        ),
    ),
    Fault(number=25, title='"confidence 0.99" on shuffled labels', carried="the calibration monitor"),
    Fault(number=26, title="an instruction hidden in the ticket", scenario="injection_met"),
    Fault(
        number=27,
        title="it hangs, drips, or stops after the headers",
        variants=(
            *(
                Variant(
                    name=wire,
                    primary=(Reply(wire=wire),),
                    timeout=1.0,
                    deadline=4.0,
                    expected=handed_on(1, "timeout", within=1.0 + 2 * _LOST, also=("left",)),
                )
                for wire in _SLOW
            ),
            Variant(
                name="both hang",
                primary=(Reply(wire="hang"),),
                second=(Reply(wire="hang"),),
                timeout=1.0,
                deadline=1.5,
                expected=kept_back(1, "timeout", second=(1, 1), also=("left",)),
            ),
        ),
    ),
    Fault(
        number=28,
        title="the way there is broken",
        scenario="pool",
        variants=(
            *(
                Variant(
                    name=f"{name}, then an answer",
                    primary=(Reply(wire=wire), SOUND),
                    expected=again(within=3.0),
                )
                for name, wire in _BROKEN
            ),
            *(
                Variant(
                    name=f"{name} for ever",
                    primary=(Reply(wire=wire),),
                    expected=handed_on(2, "reset", "connect", within=4.0),
                )
                for name, wire in _BROKEN
            ),
            *(
                Variant(
                    name=name,
                    primary=(SOUND,),
                    reach=reach,
                    expected=handed_on(0, "connect", within=4.0),
                )
                for name, reach in _AWAY
            ),
        ),
    ),
    Fault(number=29, title="200 at once where 10 are allowed", scenario="burst"),
    Fault(number=30, title="50 at once on the last cent", scenario="last_cent"),
    Fault(
        number=31,
        title="both models are down",
        variants=(
            Variant(
                name="with a default",
                primary=(DOWN,),
                second=(DOWN,),
                expected=kept_back(2, "server-error", second=(2, 2), also=("each-attempt",)),
            ),
            Variant(
                name="with a person",
                primary=(DOWN,),
                second=(DOWN,),
                setting="person",
                expected=kept_back(
                    2, "server-error", second=(2, 2), by=("person",), degraded=None, also=("each-attempt",)
                ),
            ),
            Variant(
                name="with nobody",
                primary=(DOWN,),
                second=(DOWN,),
                setting="alone",
                expected=kept_back(
                    2, "server-error", second=(2, 2), by=("nobody",), degraded=None, also=("each-attempt",)
                ),
            ),
        ),
    ),
    Fault(number=32, title="the person never answers", scenario="nobody_answers"),
    Fault(number=33, title="two persons answer at once", scenario="two_persons"),
    Fault(number=34, title="killed between decision and effect", carried="effects and the outbox"),
    Fault(number=35, title="a target that committed and then timed out", carried="effects and the outbox"),
    Fault(number=36, title="a target that is busy, down, or says no", carried="effects and the outbox"),
    Fault(number=37, title="tokens of a target that end", carried="effects and the outbox"),
    Fault(number=38, title="webhooks that come in wrong", carried="webhooks that come in"),
    Fault(number=39, title="a locked database; a clock that jumps", scenario="own_machine"),
    Fault(number=40, title="callers of the server without right", carried="the server"),
)
