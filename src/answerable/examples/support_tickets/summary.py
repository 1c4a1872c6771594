"""Shows the demo's summary in the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from answerable.why import Why


def show(summary: Mapping[str, Any]) -> None:
    """Print who decided, what it was worth, one story, the state of the ledger and what to try next."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=False)
    tickets, seconds = summary["tickets"], summary["seconds"]
    console.print(
        f"\n[bold]{tickets:,} support tickets decided[/bold], {tickets / seconds:,.0f} a second, all recorded"
    )
    if summary["replayed"]:
        console.print(
            f"{summary['replayed']:,} were decided in an earlier run: you see what was recorded then"
        )
    console.print(_who(summary["deciders"], tickets))
    console.print(_scores("All new tickets", summary["scores"]))
    console.print(_scores("Only the product line that the history did not know", summary["new_product_line"]))
    console.print(_verdict(summary["scores"]))
    console.print("\n[bold]One of them, in full[/bold]\n")
    console.print(Why(summary["why"]).text("operator"), markup=False)
    verify = summary["verify"]
    state = "[green]verified[/green]" if verify["ok"] else "[red]DOES NOT VERIFY[/red]"
    console.print(
        f"\n[bold]Ledger[/bold] {state}: {verify['entries']:,} entries, trust {verify['trust']}, "
        f"checkpoint {verify['checkpoint']['size']:,}"
    )
    home, record = summary["home"], summary["why"]["record_id"]
    console.print("\n[bold]What to try next[/bold]")
    for command, why in (
        (f"answerable why {record} --for person --home {home}", "the same story for the customer"),
        (f"answerable why {record} --for auditor --home {home}", "and for an auditor"),
        (f'answerable records --where "decider ~ default" --home {home}', "what nobody could say"),
        (f"answerable ledger seal --home {home}", "move the log into Parquet files"),
        (
            f"answerable ledger prove {record} -o proof.tlog-proof --home {home}",
            "a proof that verifies offline",
        ),
        ("answerable new my-decision", "your own"),
    ):
        console.print(f"  {command}\n      [dim]{why}[/dim]", soft_wrap=True)


def _verdict(scores: Sequence[Mapping[str, Any]]) -> str:
    """Say what the whole decision saved or lost against the rule, and what it did to the urgent tickets."""
    whole, rule = scores[0], scores[1]
    saved = rule["cost"] - whole["cost"]
    verb = "saves" if saved >= 0 else "loses"
    told = f"Against the rule alone it {verb} {abs(saved):,.0f} USD over these tickets."
    if whole["high_precision"] is not None and whole["high_recall"] is not None:
        right, found = whole["high_precision"], whole["high_recall"]
        told += f" {right:.0%} of what it calls urgent is; it finds {found:.0%} of what is."
    return told


def _who(deciders: Mapping[str, int], tickets: int) -> Any:
    table = _table("Who decided", ("decider", "tickets", "share"))
    for name, count in deciders.items():
        table.add_row(name, f"{count:,}", f"{count / tickets:.1%}")
    return table


def _scores(title: str, scores: Sequence[Mapping[str, Any]]) -> Any:
    table = _table(
        f"{title} ({scores[0]['tickets']:,})",
        (
            "answered by",
            "urgency right",
            "team right",
            "cost of errors",
            "high: missed",
            "high: false alarms",
        ),
    )
    for row in scores:
        table.add_row(
            row["name"],
            f"{row['urgency']:.1%}",
            f"{row['team']:.1%}",
            f"{row['cost']:,.0f} USD",
            f"{row['missed_high']:,}",
            f"{row['false_high']:,}",
        )
    return table


def _table(title: str, columns: Sequence[str]) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table
