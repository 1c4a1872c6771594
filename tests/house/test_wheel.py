"""What users install: the built wheel with the core alone is small, complete and decides a case."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

# One group: the environment is made once, whatever the number of test processes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("wheel")]

REPOSITORY = Path(__file__).resolve().parents[2]
CORE_BYTES = 150 * 10**6
NOT_IN_THE_CORE = (
    "duckdb",
    "fastapi",
    "numpy",
    "openpyxl",
    "psycopg",
    "pyarrow",
    "scipy",
    "sklearn",
    "starlette",
)

PROGRAM = '''
import json, sys
from typing import Annotated, Literal
from pydantic import BaseModel
import answerable as ans

class Ticket(BaseModel):
    number: Annotated[str, ans.Key]
    body: str

class Route(BaseModel):
    team: Literal["billing", "account"]

def security_words(case: ans.Case[Ticket]) -> Route | ans.Abstain:
    """Names an account takeover."""
    if "hacked" in case.input.body.lower():
        return Route(team="account")
    return ans.Abstain("no security word")

route = ans.Decision(
    name="route-ticket", version="1", question="Which team takes this ticket?", input=Ticket, output=Route,
    owner="support", purpose="customer-support",
    deciders=[ans.rule(security_words), ans.default(Route(team="billing"))],
    stakes=ans.Stakes("USD", wrong=2.0, review=1.5),
)

with ans.Workspace(sys.argv[1]) as ws:
    ticket = Ticket(number="T-1", body="I was hacked")
    outcome = ws.decide(route, ticket, principal="service:web")
    why = str(ws.why(outcome.record_id))
print(json.dumps({"status": outcome.status, "team": outcome.output.team, "why": why}))
'''


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Return what `command` prints; the test fails with all of its output where it fails."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    run(*build, str(REPOSITORY), cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment with the wheel and what its core needs, in our versions."""
    folder = tmp_path_factory.mktemp("core")
    # pip takes a hash for everything or for nothing, and a wheel just built has none written down.
    pins = re.sub(r"\s*\\\n\s+--hash=\S+", "", (REPOSITORY / "constraints.txt").read_text("utf-8"))
    (folder / "pins.txt").write_text(pins, "utf-8")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    run(*pip, "install", "--quiet", "-c", "pins.txt", wheel, cwd=folder)
    return python


@pytest.fixture
def clean(tmp_path: Path) -> dict[str, str]:
    """An environment that knows neither the checkout nor another home."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ANSWERABLE"))
    }
    return {**kept, "NO_COLOR": "1"}


def test_the_core_is_small_and_has_no_extra(core: Path, tmp_path: Path) -> None:
    """A request service installs at most 150 MB: no lake, no evaluation, no server."""
    place = run(core, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip()
    packages = Path(place)

    size = sum(path.stat().st_size for path in packages.rglob("*") if path.is_file())

    assert (packages / "answerable" / "py.typed").is_file()
    assert [name for name in NOT_IN_THE_CORE if (packages / name).exists()] == []
    assert size <= CORE_BYTES, f"{size / 1e6:.0f} MB"


def test_the_core_decides_a_case_and_proves_it(core: Path, clean: dict[str, str], tmp_path: Path) -> None:
    """With the core alone a case is decided, recorded, explained and verified, by API and command line."""
    (tmp_path / "program.py").write_text(PROGRAM, "utf-8")
    home = tmp_path / "home"
    command = core.with_name("answerable")

    said = json.loads(run(core, "-W", "error", "program.py", home, cwd=tmp_path, env=clean))
    proof = json.loads(
        run(command, "ledger", "verify", "--json", cwd=tmp_path, env={**clean, "ANSWERABLE_HOME": str(home)})
    )

    assert said["status"] == "answered"
    assert said["team"] == "account"
    assert "account takeover" in said["why"]
    assert proof["ok"] is True
    assert proof["entries"] >= 1
