"""Counters: a declared set of metrics, exact under threads, bounded, and readable by a Prometheus server."""

from __future__ import annotations

import re
import sys
import threading
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answerable.counters import BUCKETS, LABEL_SETS, METRICS, OTHER, Counters, Labels
from answerable.errors import UsageError

ALERTS, SECONDS = "answerable_alerts_total", "answerable_decision_seconds"

# -- a strict reader of the text format, version 0.0.4 -----------------------------------------------

NAME, LABEL = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r"[a-zA-Z_][a-zA-Z0-9_]*"
PAIR = rf'({LABEL})="((?:[^"\\\n]|\\[\\"n])*)"'
SAMPLE = re.compile(rf"({NAME})\{{({PAIR}(?:,{PAIR})*)?\}} (\+Inf|[0-9.e+-]+)")
UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def parse(text: str) -> tuple[dict[str, str], dict[str, dict[Labels, float]]]:
    """Return the type of each metric and the value of each sample; fails on anything unusual."""
    types: dict[str, str] = {}
    samples: dict[str, dict[Labels, float]] = {}
    assert text.endswith("\n")
    family, helped = "", ""
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            helped, told = line.removeprefix("# HELP ").split(" ", 1)
            assert told
            assert helped not in types
        elif line.startswith("# TYPE "):
            family, kind = line.removeprefix("# TYPE ").split(" ")
            assert family == helped
            types[family] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match is not None, line
            endings = ("_bucket", "_sum", "_count") if types[family] == "histogram" else ("",)
            assert match[1] in {family + ending for ending in endings}
            pairs = [
                (name, re.sub(r'\\[\\"n]', lambda m: UNESCAPED[m[0]], value))
                for name, value in re.findall(PAIR, match[2] or "")
            ]
            assert len(dict(pairs)) == len(pairs)
            found = samples.setdefault(match[1], {})
            assert tuple(pairs) not in found
            found[tuple(pairs)] = float(match[match.lastindex or 0])
    return types, samples


def without_empty(told: dict[str, Any]) -> dict[str, Any]:
    return {name: samples for name, samples in told.items() if samples}


# -- adding and reading ------------------------------------------------------------------------------


def test_what_is_added_is_read() -> None:
    """By name and labels, in the declared order of the labels."""
    counters = Counters()

    counters.add("answerable_tokens_total", 20, provider="p", model="m", direction="in")
    counters.add("answerable_tokens_total", 5, direction="in", model="m", provider="p")
    counters.add("answerable_tokens_total", provider="p", model="m", direction="out")

    assert counters.read()["answerable_tokens_total"] == {
        (("provider", "p"), ("model", "m"), ("direction", "in")): 25,
        (("provider", "p"), ("model", "m"), ("direction", "out")): 1,
    }


def test_none_stands_for_nothing() -> None:
    """An answer that is not degraded has no reason for it."""
    counters = Counters()

    counters.add("answerable_outcomes_total", decision="d", status="answered", decider="r@1", degraded=None)

    (labels,) = counters.read()["answerable_outcomes_total"]
    assert dict(labels)["degraded"] == ""


def test_a_histogram_counts_into_its_buckets() -> None:
    """A value on a bound belongs below it; the last bucket holds everything."""
    counters = Counters()

    for seconds in (0.0, 0.001, 0.0011, 60.0, 61.0):
        counters.add(SECONDS, seconds, decision="d")

    told = counters.read()
    by_bound = {dict(labels)["le"]: value for labels, value in told[f"{SECONDS}_bucket"].items()}
    assert (by_bound["0.001"], by_bound["0.005"], by_bound["30"]) == (2, 3, 3)
    assert (by_bound["60"], by_bound["+Inf"]) == (4, 5)
    assert told[f"{SECONDS}_count"] == {(("decision", "d"),): 5}
    assert told[f"{SECONDS}_sum"][(("decision", "d"),)] == pytest.approx(121.0021)
    assert list(BUCKETS) == sorted(BUCKETS)


def test_threads_lose_nothing() -> None:
    """Also where they switch in the middle of an addition."""
    counters, interval = Counters(), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def many() -> None:
        for n in range(2000):
            counters.add(ALERTS, category=f"c{n % 3}")
            counters.add(SECONDS, 0.01, decision="d")

    threads = [threading.Thread(target=many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)

    assert sum(counters.read()[ALERTS].values()) == 16_000
    assert counters.read()[f"{SECONDS}_count"] == {(("decision", "d"),): 16_000}


def test_label_sets_are_bounded() -> None:
    """What comes too late counts as "other", and nothing is lost or kept for it."""
    counters = Counters()

    for n in range(LABEL_SETS + 500):
        counters.add(ALERTS, category=f"c{n}")
        counters.add(ALERTS, category=f"c{n}")

    told = counters.read()[ALERTS]
    assert len(told) == LABEL_SETS
    assert told[(("category", OTHER),)] == 2 * 501
    assert told[(("category", "c0"),)] == 2
    assert len(counters._found) == LABEL_SETS - 1


@pytest.mark.parametrize(
    ("name", "labels", "said"),
    [
        ("answerable_alert_total", {"category": "quota"}, "answerable_alerts_total"),
        (ALERTS, {}, "give category"),
        (ALERTS, {"category": "quota", "decision": "d"}, "give category"),
        (ALERTS, {"kategory": "quota"}, "give category"),
        (ALERTS, {"category": 7}, "text or None"),
        (ALERTS, {"category": ["quota"]}, "text or None"),
    ],
)
def test_what_is_not_declared_is_refused(name: str, labels: dict[str, Any], said: str) -> None:
    """A slip in a name would quietly make another metric."""
    with pytest.raises(UsageError, match=said):
        Counters().add(name, **labels)


@pytest.mark.parametrize("value", [-1, nan, inf, -inf, "1", None, True])
def test_only_a_number_of_0_or_more_is_counted(value: Any) -> None:
    """A counter never goes back."""
    counters = Counters()

    with pytest.raises(UsageError, match="0 or more"):
        counters.add(ALERTS, value, category="quota")

    assert counters.read()[ALERTS] == {}


# -- the text ----------------------------------------------------------------------------------------


def test_nothing_counted_yet_is_a_text_too() -> None:
    """Names, helps and types are there from the start."""
    types, samples = parse(Counters().text())

    assert types == {m.name: "histogram" if m.buckets else "counter" for m in METRICS}
    assert samples == {}


@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.text(), st.sampled_from(['"', "\\", "\n", "\\n", '\\"', "a\r\nb", "\x85", "\u2028"])
            ),
            st.one_of(st.integers(0, 1 << 49), st.floats(0, 1e12)),  # their sum stays exact in a float
        ),
        max_size=8,
    )
)
def test_the_text_says_what_was_counted(added: list[tuple[str, float]]) -> None:
    """Whatever stands in a label: a strict reader gets every number back."""
    counters = Counters()
    for value, amount in added:
        counters.add("answerable_cost_micro_total", amount, decision=value, currency="USD")
        counters.add(SECONDS, amount, decision=value)

    _, samples = parse(counters.text())

    assert samples == without_empty(counters.read())


def test_text_that_no_encoding_can_hold_does_not_break_the_page() -> None:
    """A lone surrogate becomes a question mark."""
    counters = Counters()

    counters.add(ALERTS, category="a\ud800")

    assert 'category="a?"' in counters.text().encode().decode()
