"""The documents tell the truth: every code block in them runs, and prints what it shows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from house.documents import DocumentError, Reader

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
DOCUMENTS = ["README.md", "SECURITY.md", "CONTRIBUTING.md"] + [
    path.relative_to(REPOSITORY).as_posix() for path in sorted((REPOSITORY / "docs").rglob("*.md"))
]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_block_runs_and_prints_what_it_shows(name: str, tmp_path: Path) -> None:
    """A reader who types what is written gets what is shown."""
    Reader(name, tmp_path, PROGRAMS).read((REPOSITORY / name).read_text("utf-8"))


def test_the_readme_starts_with_a_program() -> None:
    """The first block of the first page is a program that runs, not a list of features."""
    first = (REPOSITORY / "README.md").read_text("utf-8").partition("```")[2].splitlines()[0]

    assert first.startswith("python")
    assert "no-run" not in first


# The runner itself is tested, on documents of a few lines.


def read(document: str, folder: Path) -> int:
    """Read `document` and return how many of its blocks were run."""
    return Reader("page.md", folder, PROGRAMS).read(document)


def test_blocks_of_one_document_share_a_namespace(tmp_path: Path) -> None:
    """A name of one program is there in the next."""
    ran = read("```python\nx = 1\n```\n\nThen:\n\n```python\nassert x == 1\n```\n", tmp_path)

    assert ran == 2


def test_a_program_that_raises_is_named_by_its_line(tmp_path: Path) -> None:
    """The error says where in the document to look."""
    with pytest.raises(DocumentError, match=r"page\.md:3 raised ZeroDivisionError"):
        read("# Title\n\n```python\n1 / 0\n```\n", tmp_path)


def test_a_function_of_a_document_has_its_source(tmp_path: Path) -> None:
    """What reads a rule's source, such as its digest, finds it."""
    program = "import inspect\ndef rule():\n    return 7\nassert 'return 7' in inspect.getsource(rule)\n"

    assert read(f"```python\n{program}```\n", tmp_path) == 1


def test_a_block_can_be_a_file(tmp_path: Path) -> None:
    """Programs and commands see the files that the document shows."""
    page = "```toml file=sub/a.toml\nx = 1\n```\n```console\n$ cat sub/a.toml\nx = 1\n```\n"

    assert read(page, tmp_path) == 1


@pytest.mark.parametrize(
    "page",
    [
        "```console\n$ echo one; echo two\none\ntwo\n```\n",
        "```console\n$ echo one; echo 12:34; echo two\none\n...\ntwo\n```\n",
        "```console\n$ echo took 3.7 s\ntook ... s\n```\n",
        "```console\n$ echo a \\\n  b\na b\n$ cat <<END\n> x\n> END\nx\n```\n",
        "```console\n$ echo oops >&2; exit 3  # exits 3\noops\n```\n",
        "```python\nprint('one')\n```\n\nprints\n\n```text output\none\n```\n",
        "```console\n$ echo one\n```\n\n```text output\no...\n```\n",
        "- in a list\n  ```console\n  $ echo one\n  one\n  ```\n",
    ],
)
def test_an_output_that_is_shown_is_held(page: str, tmp_path: Path) -> None:
    """Where output is shown it is compared; `...` stands for what differs from run to run."""
    read(page, tmp_path)

    with pytest.raises(DocumentError, match=r"page\.md:\d+"):
        read(
            page.replace("echo o", "echo O")
            .replace("('o", "('O")
            .replace("a \\", "A \\")
            .replace("took 3", "3"),
            tmp_path,
        )


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ("```bash\necho\n```\n", "language 'bash'"),
        ("```\necho\n```\n", "language ''"),
        ("```python no-run\nx\n```\n", "does not say why"),
        ("```python no-run:\nx\n```\n", "does not say why"),
        ("```python no-run: needs a key\nx = = 1\n```\n", "is not Python"),
        ("```python maybe\nx = 1\n```\n", "unknown word 'maybe'"),
        ("```console\n$ false\n```\n", "ended with 1"),
        ("```console\necho\n```\n", "does not start with"),
        ("```console\n```\n", "no `\\$ ` line"),
        ("```text output\nx\n```\n", "nothing was run"),
        ("```python\nx = 1\n", "never ends"),
    ],
)
def test_what_cannot_be_held_is_an_error(page: str, why: str, tmp_path: Path) -> None:
    """No block slips past the runner by being written in a way that it does not know."""
    with pytest.raises(DocumentError, match=why):
        read(page, tmp_path)


def test_a_block_with_a_reason_is_not_run(tmp_path: Path) -> None:
    """What needs a network or a key is shown, and has to say so."""
    page = "```python no-run: needs a key\n1 / 0\n```\n```console no-run: takes minutes\n$ false\n```\n"

    assert read(page, tmp_path) == 0
