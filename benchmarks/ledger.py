"""The ledger's numbers: append, four processes, seal, verify and reads, each beside a peer or a limit."""

from typing import Any

from _append import append, append_postgres, four_processes
from _measure import arguments, emit
from _sealed import large, sealing

ROWS = ("append", "append_postgres", "four_processes", "seal", "large")


def main() -> None:
    """Run the rows and print one JSON object."""
    given = arguments(
        "Measure the ledger.",
        entries=(
            int,
            1_000_000,
            "entries of the home that is read and verified; the targets are for 10 million",
        ),
        only=(str, None, f"only this row: {', '.join(ROWS)}"),
    )
    quick = given.quick
    count = 60_000 if quick and given.entries == 1_000_000 else given.entries
    rows: dict[str, Any] = {
        "append": lambda: append(6_000 if quick else 50_000, 1 if quick else 5),
        "append_postgres": lambda: append_postgres(3_000 if quick else 50_000, 1 if quick else 3),
        "four_processes": lambda: four_processes(0.5 if quick else 3.0),
        "seal": lambda: sealing(8_192 if quick else 131_072, 1 if quick else 3),
        "large": lambda: large(count),
    }
    report = {name: row() for name, row in rows.items() if given.only in (None, name)}
    emit("ledger", report, quick=quick)


if __name__ == "__main__":
    main()
