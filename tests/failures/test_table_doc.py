"""The page on failures shows the action table as it is: every category, every column, and nothing else."""

from pathlib import Path

import pytest

from answerable.failures.fault import CATEGORIES, Fault
from answerable.failures.plan import wait_before_retry
from answerable.failures.table import TABLE, Action

PAGE = Path(__file__).resolve().parents[2] / "docs" / "failures.md"
HEADING = "| category | means | retries | longest wait | who is asked then | page | breaker |"


def shown(page: str) -> list[str]:
    """Return the rows of the page's table."""
    lines = page.partition(f"{HEADING}\n")[2].splitlines()[1:]  # without the line of dashes
    return lines[: lines.index("")]


def rows() -> list[str]:
    """Return the rows as the code has them, in the table's order."""
    return [_row(category, action) for category, action in TABLE.items()]


def _row(category: str, action: Action) -> str:
    told = "" if action.told is None else f", {action.told} if told"
    retries = f"{action.retry}{told}" if action.retry or action.told else ""
    breaker = "" if action.breaker == "no" else action.breaker
    cells = [f"`{category}`", CATEGORIES[category], retries, _wait(category, action), action.then]
    return "| " + " | ".join([*cells, "yes" if action.page else "", breaker]) + " |"


def _wait(category: str, action: Action) -> str:
    """Say how long at most is waited before a retry: as long as a provider asks, or not at all."""
    if not (action.retry or action.told):
        return ""
    fault = Fault(category=category, retry_after=action.patience)
    wait = wait_before_retry(action, fault, tries=1, remaining=10 * action.patience, random=0.5)
    return "none" if wait == 0 else f"{action.patience:g} s"


def test_the_page_shows_the_table_as_it_is() -> None:
    """A row that changes in the code changes on the page."""
    page = PAGE.read_text("utf-8")

    assert HEADING in page
    assert shown(page) == rows(), "docs/failures.md should show\n" + "\n".join(rows())


@pytest.mark.parametrize(
    ("category", "row"),
    [
        ("rate-limit", "| 1, 3 if told | 5 s | next |  | until |"),
        ("invalid", "| 1 | none | next |  | counts |"),
        ("quota", "|  |  | next | yes | opens |"),
        ("refusal", "|  |  | safe |  |  |"),
    ],
)
def test_a_row_is_written_as_a_reader_expects(category: str, row: str) -> None:
    """The test above compares two things made by hand and by code: these rows pin the code's side."""
    (found,) = [line for line in rows() if line.startswith(f"| `{category}` |")]

    assert found.endswith(row)


def test_a_row_that_is_missing_is_found() -> None:
    """The comparison can fail."""
    page = PAGE.read_text("utf-8").replace(f"{rows()[3]}\n", "")

    assert shown(page) != rows()
