"""Runs rivals in processes of their own on the faults of single calls, and judges them by what they can do.

A rival has no record, no default, no person and no alerts, so none of that is asked of it: only that what it
returns is a valid answer or an error, in time, that nobody is called more often than the table allows, that
no refusal is carried to another model, and that an answer of the second model shows as one.
"""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _measure import say
from pydantic import ValidationError

from answerable.chaos.faults import FAULTS
from answerable.chaos.judging import SLACK
from answerable.chaos.reference import BODY, Route
from answerable.chaos.replies import DOWN, SOUND
from answerable.chaos.run import NOWHERE
from answerable.chaos.server import FaultServer
from answerable.chaos.variants import Fault, Variant

HERE = Path(__file__).resolve().parent
LITELLM = "litellm>=1.106"
# Settings that say only what stands behind the second model, which a rival does not have.
_COMPARABLE = ("plain", "long", "person", "alone")
_TIMEOUT_S = 2.0  # of one call, as ours


@dataclass(frozen=True, kw_only=True, slots=True)
class Rival:
    """One rival: a script, and the Python that has it installed. told: how it is configured."""

    name: str
    script: Path
    python: str
    told: str


def pydantic_ai() -> Rival:
    """Return pydantic-ai, which is installed beside us."""
    return Rival(
        name="pydantic-ai FallbackModel",
        script=HERE / "chaos" / "pydantic_ai_fallback.py",
        python=sys.executable,
        told=f"FallbackModel of two models, timeout {_TIMEOUT_S:g} s, all else as by default",
    )


def litellm(python: str | None, cache: Path) -> Rival:
    """Return litellm in a virtual environment of its own, because it asks for another openai than we do.

    python: of an environment that has it; without one it is made in `cache`, which takes a minute.
    """
    if python is None:
        folder = cache / "litellm"
        found = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        if not found.exists():
            say(f"installing litellm in {folder}")
            venv.create(folder, with_pip=True)
            subprocess.run([found, "-m", "pip", "install", "--quiet", LITELLM], check=True)
        python = str(found)
    return Rival(
        name="litellm Router",
        script=HERE / "chaos" / "litellm_router.py",
        python=python,
        told=f"Router with a fallback, num_retries=2, timeout {_TIMEOUT_S:g} s, JSON schemas checked",
    )


class Running:
    """A rival's process, which is asked one thing after the other."""

    def __init__(self, rival: Rival) -> None:
        quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "CRITICAL"}  # no calls home
        self._process = subprocess.Popen(
            [rival.python, str(rival.script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **quiet},
        )
        self._line()

    def ask(self, **given: Any) -> dict[str, Any]:
        """Return what the rival got: output or error, how it shows who answered, and seconds."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(given) + "\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the rival ended with {self._process.wait()}")
        told: dict[str, Any] = json.loads(line)
        return told

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


@contextmanager
def running(rival: Rival) -> Iterator[Running]:
    """Start a rival, and end it afterwards."""
    made = Running(rival)
    try:
        yield made
    finally:
        made.close()


def run_rival(rival: Rival, numbers: list[int], dead_cases: int) -> list[dict[str, Any]]:
    """Run a rival on the faults; return a row for each variant, "n/a" where a fault cannot reach it."""
    rows: list[dict[str, Any]] = []
    with FaultServer() as server, running(rival) as process:
        for fault in FAULTS:
            if numbers and fault.number not in numbers:
                continue
            if fault.scenario == "dead_primary":
                rows.append(_dead_primary(fault, server, process, dead_cases))
            elif not fault.variants:
                rows.append(_row(fault, "", "n/a"))
            for variant in fault.variants:
                if variant.setting in _COMPARABLE:
                    rows.append(_variant(fault, variant, server, process))
                else:
                    rows.append(_row(fault, variant.name, "n/a"))
    return rows


def _row(fault: Fault, variant: str, passed: bool | str, **more: Any) -> dict[str, Any]:
    return {"fault": fault.number, "title": fault.title, "variant": variant, "passed": passed, **more}


def _variant(fault: Fault, variant: Variant, server: FaultServer, process: Running) -> dict[str, Any]:
    primary, second = server.upstream("primary"), server.upstream("second")
    for upstream, script in ((primary, variant.primary), (second, variant.second)):
        upstream.forget()
        upstream.play(*script)
    tls = server.expired_tls("primary") if variant.reach == "expired-tls" else ""
    places = {"server": primary.url, "refused": server.refusing(), "nowhere": NOWHERE, "expired-tls": tls}
    fresh = f"{fault.number} {variant.name}"
    told = [
        process.ask(
            fresh=fresh,
            primary=places[variant.reach],
            second=second.url,
            timeout=variant.timeout,
            body=BODY,
        )
        for _ in range(variant.cases)
    ]
    problems = list(_problems(variant, told, primary.hits, second.hits))
    return _row(
        fault,
        variant.name,
        not problems,
        problems=problems,
        hits={"primary": primary.hits, "second": second.hits},
        seconds=round(sum(one["seconds"] for one in told), 3),
        returned=_returned(told[0]),
        degradation_visible=_visible(told[0]) if second.hits and "output" in told[0] else None,
        shown=told[0].get("shown"),
    )


def _problems(variant: Variant, told: list[dict[str, Any]], primary: int, second: int) -> Iterator[str]:
    expected = variant.expected
    answers = {"primary", "second"} & set(expected.by)
    if primary > expected.primary[1]:
        yield f"primary was called {primary} times, not {expected.primary[1]} at most"
    # Where an answer is wanted it may come from the second at once; where none is, nobody else is asked.
    allowed = max(expected.second[1], variant.cases if answers else 0)
    if second > allowed:
        yield f"second was called {second} times, not {allowed} at most"
    for one in told:
        valid = _is_valid(one.get("output"))
        if answers and not valid:
            yield f"no valid answer: {one.get('error') or one.get('output')!r}"
        if not answers and "error" not in one:
            yield f"no error, but {one.get('output')!r}"
        limit = min(variant.deadline, expected.within or variant.deadline) * SLACK
        if one["seconds"] > limit:
            yield f"it took {one['seconds']:.1f} s, not {limit:.1f} s at most"
        if second and valid and not _visible(one):
            yield "an answer of the second model does not show as one"


def _is_valid(output: Any) -> bool:
    try:
        return bool(Route.model_validate(output, strict=True))
    except ValidationError:
        return False


def _visible(told: dict[str, Any]) -> bool:
    return "second" in (told.get("shown") or "")


def _returned(told: dict[str, Any]) -> str:
    if "error" in told:
        return str(told["error"])[:100]
    return "a valid answer" if _is_valid(told["output"]) else f"as an answer: {told['output']!r}"[:100]


def _dead_primary(fault: Fault, server: FaultServer, process: Running, cases: int) -> dict[str, Any]:
    """Ask again and again while the primary is dead; nothing but what it costs is judged."""
    primary, second = server.upstream("primary"), server.upstream("second")
    for upstream, reply in ((primary, DOWN), (second, SOUND)):
        upstream.forget()
        upstream.play(reply)
    given = {
        "fresh": "dead",
        "primary": primary.url,
        "second": second.url,
        "timeout": _TIMEOUT_S,
        "body": BODY,
    }
    told = [process.ask(**given) for _ in range(cases)]
    seconds = [one["seconds"] for one in told]
    at_most = 6  # the threshold of our breaker, and one probe
    problems = []
    if primary.hits > at_most:
        problems.append(f"primary was called {primary.hits} times, not {at_most} at most")
    return _row(
        fault,
        f"{cases} requests",
        not problems,
        problems=problems,
        hits={"primary": primary.hits, "second": second.hits},
        seconds=round(sum(seconds), 3),
        returned=f"{sum(_is_valid(one.get('output')) for one in told)} valid answers",
        degradation_visible=all(map(_visible, told)),
    )
