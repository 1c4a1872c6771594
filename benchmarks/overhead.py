"""What governing and recording a decision costs, and how long the library takes to start."""

import asyncio
import cProfile
import pstats
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Literal

from _measure import MILLI, Timing, arguments, emit, held, in_turn, median, say, timed
from pydantic import BaseModel

import answerable as ans

CPU_MS, RE2_CPU_MS, PER_SECOND = 0.50, 0.30, 3000.0  # the two lower ones are for a home with re2
IMPORT_S, HELP_S = 0.25, 0.4
CONCURRENT = 64
WORDS = "please look at my order again because the parcel never came and nobody answers the telephone "
BODY = (WORDS * 11)[:1000]
# Steps of the road, by the function that takes them.
STEPS = {
    "admit": ("road.py", "admit"),
    "known key": ("road.py", "recorded_before"),
    "ask the deciders": ("road.py", "ask"),
    "write it up": ("casebook.py", "unit"),
    "commit": ("journal_sql.py", "_commit_group"),
}


class Ticket(BaseModel):
    """1 kB of input."""

    number: Annotated[str, ans.Key]
    customer_id: Annotated[str, ans.Subject]
    email: Annotated[str, ans.Personal("email")]
    body: Annotated[str, ans.Personal.free_text]


class Unkeyed(BaseModel):
    """The same without a key."""

    customer_id: Annotated[str, ans.Subject]
    body: Annotated[str, ans.Personal.free_text]


class Route(BaseModel):
    """Two fields to answer."""

    urgency: Literal["low", "normal", "high"]
    team: Literal["billing", "shipping", "account", "technical"]


def words(case: ans.Case[Any]) -> Route:
    """Looks for two words."""
    text = case.input.body.lower()
    return Route(
        urgency="high" if "hacked" in text else "normal", team="shipping" if "parcel" in text else "technical"
    )


def question(name: str, given: type[BaseModel]) -> ans.Decision[Any, Route]:
    """Return a decision with one rule."""
    return ans.Decision(
        name=name,
        version="1",
        question="How urgent is this ticket, and which team takes it?",
        input=given,
        output=Route,
        owner="support",
        purpose="customer-support",
        stakes=ans.Stakes("USD", wrong=2.0, review=1.5),
        deciders=[ans.rule(words)],
    )


KEYED, PLAIN = question("route-keyed", Ticket), question("route-plain", Unkeyed)


def main() -> None:
    """Measure and print one JSON object."""
    given = arguments(
        "Measure the overhead of a decision and the start of the library.",
        breakdown=(
            bool,
            False,
            "also say which step takes which share (by cProfile, which slows all)",
        ),
    )
    say("decisions")
    decided = decisions(400 if given.quick else 3000, 3 if given.quick else 5)
    say("starts")
    report = {"decision": decided, "start": starts(5 if given.quick else 15)}
    if given.breakdown:
        say("breakdown")
        report["breakdown"] = breakdown(400 if given.quick else 2000)
    emit("overhead", report, quick=given.quick)


# -- one decision ------------------------------------------------------------------------------------


def decisions(number: int, repeats: int) -> dict[str, Any]:
    """Measure row 1 in several ways, in turn in one run; each decision is durable when it returns."""
    with (
        tempfile.TemporaryDirectory(prefix="answerable-bench-") as folder,
        _governed(Path(folder) / "home") as ws,
        ans.Workspace("memory:") as memory,
    ):
        keyed, plain = _tickets(), _plain()
        works: dict[str, Callable[[], Timing]] = {
            "one_at_a_time": lambda: _one_at_a_time(ws, PLAIN, plain, number),
            "one_at_a_time_keyed": lambda: _one_at_a_time(ws, KEYED, keyed, number),
            "concurrent": lambda: _concurrent(ws, PLAIN, plain, number),
            "concurrent_keyed": lambda: _concurrent(ws, KEYED, keyed, number),
            "in_memory": lambda: _one_at_a_time(memory, PLAIN, plain, number),
            "ungoverned": lambda: _ungoverned(plain, number),
        }
        for decision, source in ((PLAIN, plain), (KEYED, keyed)):
            for home in (ws, memory):
                home.decide(
                    decision, next(source), principal="service:web"
                )  # its definition is recorded once
        taken = in_turn(works, repeats)
    bare = median(taken.pop("ungoverned"))
    report: dict[str, Any] = {name: _told(number, timings, bare) for name, timings in taken.items()}
    report["ungoverned"] = {
        "cpu_ms": round(bare.cpu / number * MILLI, 4),
        "per_second": round(number / bare.wall),
    }
    report["what"] = {
        "one_at_a_time": "ws.decide in a loop on one thread, SQLite with synchronous=FULL: one commit each",
        "concurrent": f"ws.adecide, {CONCURRENT} in flight: commits in groups",
        "keyed": "the input has a Key: one look-up before, one state row with the record",
        "in_memory": 'ws.decide on "memory:", to see what is not the disk',
        "ungoverned": "the peer: validate the input and call the rule, nothing else",
        "governed": "a Cedar policy is asked, the text is scanned, every part is encrypted under the key "
        "of its person; in memory without policies",
    }
    report["input_bytes"] = len(Ticket.model_validate(next(keyed)).model_dump_json())
    return report


def _governed(home: Path) -> ans.Workspace:
    """Return a new home in which a policy says who may decide."""
    with ans.Workspace(home):
        pass
    (home / "policies" / "service.cedar").write_text(POLICY)
    return ans.Workspace(home)


POLICY = """
@id("service-decides")
@reason("the web service decides tickets")
permit (principal == Principal::"service:web", action == Action::"decide", resource is Decision)
when { context.purpose == "customer-support" };
"""


def _told(number: int, timings: list[Timing], bare: Timing) -> dict[str, Any]:
    """Limits are held against the best run: neighbours on the machine only ever add time."""
    took, best = median(timings), min(timing.cpu for timing in timings)
    return {
        "cpu_ms": held(best / number * MILLI, at_most=CPU_MS),
        "cpu_ms_with_re2": held(best / number * MILLI, at_most=RE2_CPU_MS),
        "per_core_second": held(number / best, at_least=PER_SECOND),
        "median_cpu_ms": round(took.cpu / number * MILLI, 4),
        "wall_ms": round(took.wall / number * MILLI, 4),
        "per_second": round(number / took.wall),
        "x_ungoverned_cpu": round(took.cpu / bare.cpu, 1),
    }


def _tickets() -> Iterator[dict[str, Any]]:
    for n in count():
        yield {
            "number": f"T-{n}",
            "customer_id": f"c-{n % 97}",
            "email": f"c{n % 97}@example.org",
            "body": BODY,
        }


def _plain() -> Iterator[dict[str, Any]]:
    for n in count():
        yield {"customer_id": f"c-{n % 97}", "body": BODY}


def _one_at_a_time(ws: ans.Workspace, decision: Any, source: Iterator[Any], number: int) -> Timing:
    def work() -> None:
        for _ in range(number):
            outcome = ws.decide(decision, next(source), principal="service:web")
            assert outcome.status == "answered", outcome

    return timed(work)[1]


def _concurrent(ws: ans.Workspace, decision: Any, source: Iterator[Any], number: int) -> Timing:
    left = iter(range(number))

    async def worker() -> None:
        for _ in left:
            outcome = await ws.adecide(decision, next(source), principal="service:web")
            assert outcome.status == "answered", outcome

    async def all_of_them() -> None:
        await asyncio.gather(*(worker() for _ in range(CONCURRENT)))

    return timed(lambda: asyncio.run(all_of_them()))[1]


def _ungoverned(source: Iterator[Any], number: int) -> Timing:
    def work() -> None:
        for _ in range(number):
            given = Unkeyed.model_validate(next(source))
            words(_Bare(given))  # type: ignore[arg-type]

    return timed(work)[1]


class _Bare:
    """As much of a case as the rule looks at."""

    def __init__(self, given: Any) -> None:
        self.input = given


def breakdown(number: int) -> dict[str, Any]:
    """Return which share of a keyed decision each step takes, and which functions take most by themselves."""
    source = _tickets()
    with (
        tempfile.TemporaryDirectory(prefix="answerable-bench-") as folder,
        ans.Workspace(Path(folder) / "home") as ws,
    ):
        ws.decide(KEYED, next(source))
        profile = cProfile.Profile(time.process_time)
        profile.enable()
        _one_at_a_time(ws, KEYED, source, number)
        profile.disable()
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, Any]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(row[2] for row in stats.values())
    steps = {
        step: round(
            sum(row[3] for (path, _, name), row in stats.items() if (Path(path).name, name) == where) / total,
            3,
        )
        for step, where in STEPS.items()
    }
    top = sorted(stats.items(), key=lambda item: -item[1][2])[:15]
    return {
        "share_of_cpu": steps,
        "top_by_itself": {
            f"{Path(path).name}:{name}": round(row[2] / total, 3) for (path, _, name), row in top
        },
    }


# -- starting ----------------------------------------------------------------------------------------


def starts(repeats: int) -> dict[str, Any]:
    """Measure fresh processes from start to end, nothing taken off, in turn with Python that does nothing."""
    script = shutil.which("answerable", path=sysconfig.get_path("scripts"))
    program = [script] if script else [sys.executable, "-c", "from answerable.cli.app import main; main()"]
    works = {
        "python": lambda: _process([sys.executable, "-c", "pass"]),
        "import answerable": lambda: _process([sys.executable, "-c", "import answerable"]),
        "import Workspace": lambda: _process([sys.executable, "-c", "from answerable import Workspace"]),
        "answerable --help": lambda: _process([*program, "--help"]),
    }
    failed = {}
    for name, work in list(works.items()):
        try:
            work()  # once before, so that bytecode is compiled and files are in memory
        except subprocess.CalledProcessError as exc:
            failed[name] = exc.stderr.decode(errors="replace").strip().splitlines()[-1:]
            del works[name]
    taken = in_turn(works, repeats)
    wall = {name: statistics.median(t.wall for t in timings) for name, timings in taken.items()}
    report: dict[str, Any] = {
        name: {"seconds": round(s, 3), "x_python": round(s / wall["python"], 2)} for name, s in wall.items()
    }
    for name, limit in (("import answerable", IMPORT_S), ("answerable --help", HELP_S)):
        if name in wall:
            report[name]["best"] = held(min(t.wall for t in taken[name]), at_most=limit)
    return {**report, **{name: {"failed": why} for name, why in failed.items()}}


def _process(command: list[str]) -> Timing:
    """Run a process to its end; cpu is its own."""
    began, before = time.perf_counter(), _children()
    subprocess.run(command, check=True, capture_output=True)
    return Timing(time.perf_counter() - began, _children() - before)


def _children() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
