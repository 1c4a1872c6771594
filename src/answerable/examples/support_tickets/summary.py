"""Shows the demo's summary in the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from answerable.why import Why


def show(summary: Mapping[str, Any]) -> None:
    """Print who decided, what it was worth, one story, the state of the ledger and what to try next."""
    from rich.console import Console

    console = Console(highlight=False)
    tickets = summary["tickets"]
    if summary["replayed"]:
        anew = tickets - summary["replayed"]
        but = f"; {anew:,} that were not there, or were erased, decided anew" if anew else ""
        console.print(
            f"\n[bold]{tickets:,} support tickets[/bold], decided in an earlier run and read back{but}"
        )
    else:
        rate = tickets / summary["seconds"]
        console.print(
            f"\n[bold]{tickets:,} support tickets decided[/bold], {rate:,.0f} a second, all recorded"
        )
    console.print("", _who(summary["deciders"], tickets), sep="\n")
    console.print("", _scores("Right answers, tickets that were not refused", summary["scores"]), sep="\n")
    console.print("", _verdict(summary["scores"]), "", sep="\n")
    console.print(_scores("The same, products that the history did not know", summary["new_product_line"]))
    console.print("", _on_new_line(summary["new_product_line"]), sep="\n")
    if "llm" in summary:
        console.print("", _asked(summary["llm"]), sep="\n")
        if summary["llm"]["answered"]:
            console.print("", _quality(summary["llm"]), sep="\n")
        console.print("", *_on_llm(summary["llm"]), sep="\n", markup=False)
    console.print("\n[bold]Personal data[/bold]")
    console.print(*_on_personal(summary["personal"], summary.get("llm")), sep="\n", markup=False)
    console.print(*_on_refused(summary["refused"]), sep="\n", markup=False)
    console.print("\n[bold]One of them, in full[/bold]\n")
    console.print(Why(summary["why"]).text("operator", width=min(console.width, 100)), markup=False)
    verify = summary["verify"]
    state = "[green]verified[/green]" if verify["ok"] else "[red]DOES NOT VERIFY[/red]"
    console.print(
        f"\n[bold]Ledger[/bold] {state}: {verify['entries']:,} entries, trust {verify['trust']}, "
        f"checkpoint {verify['checkpoint']['size']:,}"
    )
    console.print("\n[bold]What to try next[/bold]")
    for command, why in _next_steps(summary):
        console.print(f"  {command}", soft_wrap=True, markup=False)
        console.print(f"      [dim]{why}[/dim]", soft_wrap=True)


def _next_steps(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield commands that can be pasted here, and what each shows."""
    import os
    import shlex
    import shutil
    import sys

    run = "answerable" if shutil.which("answerable") else shlex.quote(os.path.relpath(sys.argv[0]))
    at = f"--home {shlex.quote(summary['home'])}"
    record, llm, refused = summary["why"]["record_id"], summary.get("llm"), summary["refused"]["example"]
    customer, tickets = summary["subject"]["customer"], summary["subject"]["tickets"]
    yield f"{run} why {record} --for person {at}", "the same story for the customer"
    yield f"{run} why {record} --for auditor {at}", "and for an auditor"
    yield f'{run} records --where "decider ~ default" {at}', "what nobody could say"
    if llm is not None:
        which = shlex.quote(f"decider = {llm['made_by']}")
        yield f"{run} records --where {which} {at}", "what the language model answered"
        if llm["example"]:
            yield f"{run} why {llm['example']} --json {at}", "what it was sent, and what it replied"
    if refused is not None:
        yield f"{run} why {refused['record_id']} {at}", "the refused ticket, and what was read for it"
    told = f"what is held about a customer, who wrote {tickets:,} of the tickets"
    yield f"{run} subject show {customer} {at} --purpose privacy", told
    erase = "--purpose privacy --reason 'GDPR 17(1)(b)' --yes"
    yield f"{run} subject erase {customer} {at} {erase}", "from now on nobody can read it"
    yield (
        f"{run} ledger verify {at}",
        "the log is whole all the same; another run of the demo decides those tickets anew",
    )
    yield f"{run} ledger seal {at}", "move the log into Parquet files"
    yield f"{run} ledger prove {record} -o proof.tlog-proof {at}", "a proof that verifies offline"
    yield f"{run} new my-decision", "your own"


def _on_personal(personal: Mapping[str, Any], llm: Mapping[str, Any] | None) -> Iterator[str]:
    """Say which personal values the records tell of, and who sees them."""
    kinds = ", ".join(
        f"{count:,} {kind.lower().replace('_', ' ')}" for kind, count in personal["found"].items()
    )
    yield (
        f"The detector found {sum(personal['found'].values()):,} personal values in the texts of "
        f"{personal['with_values']:,} tickets ({personal['records']:,} records looked at): {kinds or 'none'}."
    )
    other = "The language model got pseudonyms" if llm else "A language model would get pseudonyms"
    yield (
        "The log holds them only encrypted, with a key for each customer, and shows pseudonyms. Rules and "
        f"model run here and read the text as it came. {other}. What the detector does not know, such as a "
        "bare name within a sentence, is encrypted too, but shown."
    )


def _on_refused(refused: Mapping[str, Any]) -> Iterator[str]:
    """Say which tickets were refused as they ask for somebody else's data, and tell one."""
    right = refused["refused"] - refused["wrongly"]
    yield (
        f"Refused, as they ask for somebody else's data: {right:,} of the {refused['asks']:,} tickets that "
        f"do, and {refused['wrongly']:,} that do not. The rule fits the wording of these invented tickets; "
        "real ones need more than patterns."
    )
    if (told := refused["example"]) is not None:
        yield f"  {told['key']}: {' '.join(told['body'].split())}"
        for read in told["reads"]:
            of = ", ".join(f"{name} = {value}" for name, value in read["params"].items())
            yield f"  read {read['source']} for {of}: {read['count']:,} found"
        yield f"  refused: {told['reason']}"


def _verdict(scores: Sequence[Mapping[str, Any]]) -> str:
    """Say what the whole decision saved or lost beside the rule and the model, and at which price."""
    whole, rule, model = scores[0], scores[1], scores[2]
    saved = " and ".join(
        f"{abs(other['cost'] - whole['cost']):,.0f} USD "
        f"{'less' if other['cost'] >= whole['cost'] else 'more'} than those of the {name} alone"
        for name, other in (("rule", rule), ("model", model))
    )
    told = f"Its errors cost {saved}."
    if whole["missed_high"] < model["missed_high"]:
        told += (
            " It is right less often than the model on purpose: a missed emergency costs 25 to 40 USD and a "
            f"false alarm 2, so it raises {whole['false_high'] - model['false_high']} more false alarms and "
            f"misses {model['missed_high'] - whole['missed_high']} fewer urgent tickets."
        )
    if whole["high_precision"] is not None and whole["high_recall"] is not None:
        right, found = whole["high_precision"], whole["high_recall"]
        told += f" Of the tickets it calls urgent, {right:.0%} are; it finds {found:.0%} of the urgent ones."
    return told


def _on_new_line(scores: Sequence[Mapping[str, Any]]) -> str:
    """Say what the table about the unknown product line teaches."""
    whole = scores[0]
    best = min(scores, key=lambda row: row["cost"])
    if best is whole:
        return "It holds up on what it never saw."
    return (
        f"On what it never saw, {best['name']} would have cost less ({best['cost']:,.0f} USD): a model is "
        "sure of itself where it should not be. That is what watching accuracy and drift is for."
    )


def _asked(llm: Mapping[str, Any]) -> Any:
    """Return the table of what was asked of the language model, and what came of it."""
    seconds = llm["seconds"]
    faults = ", ".join(f"{category} {count:,}" for category, count in llm["faults"].items())
    cost = f"{llm['cost']:.4f} USD" if llm["cost"] else "0 USD, it runs here" if llm["here"] else "0 USD"
    table = _table(f"The language model {llm['name']}", ("", ""))
    table.show_header = False
    for name, value in (
        ("tickets that rule and model left open", f"{llm['left_open']:,}"),
        ("asked", f"{llm['asked']:,}"),
        ("valid answers", f"{llm['answered']:,}"),
        ("calls", f"{llm['calls']:,}"),
        ("faults", faults or "none"),
        (
            "seconds a call",
            f"{seconds['median']:.1f} (median), {seconds['longest']:.1f} (longest)" if seconds else "-",
        ),
        (
            "tokens",
            f"{llm['tokens_in']:,} in and {llm['tokens_out']:,} out, of {llm['tokens']:,} allowed",
        ),
        ("cost", cost),
    ):
        table.add_row(name, value)
    return table


def _quality(llm: Mapping[str, Any]) -> Any:
    fields = llm["quality"][0]["fields"]
    table = _table(f"The {fields:,} fields that it answered", ("answered by", "right", "", "cost of errors"))
    for row in llm["quality"]:
        share = f"{row['right'] / fields:.0%}" if fields else "-"
        table.add_row(row["name"], f"{row['right']:.3g}", share, f"{row['cost']:,.0f} USD")
    return table


def _on_llm(llm: Mapping[str, Any]) -> Iterator[str]:
    """Say what the two tables are worth, and what an operator was told meanwhile."""
    its, default = llm["quality"][0], llm["quality"][1]
    if its["fields"]:
        more = its["cost"] - default["cost"]
        yield (
            f"Its errors cost {abs(more):,.0f} USD {'more' if more >= 0 else 'less'} than the default's "
            "would have. Nobody measures how sure it is: this decision takes such answers on purpose "
            '(unmeasured="accept"); without that word they would only be noted, and the default would stand.'
        )
    if llm["fixture"]:
        yield (
            "This small model is here to show real calls, faults and costs. Its answers have the right form, "
            "and are no evidence of what a language model can do."
        )
    elif its["fields"]:
        yield f"{llm['answered']:,} answers say little about its quality."
    if "budget" in llm["faults"]:
        yield "Its budget of tokens was used up; the default answered the rest. --llm-tokens allows more."
    for alert in llm["alerts"]:
        yield f"An operator was told: {alert['what']}."


def _who(deciders: Mapping[str, int], tickets: int) -> Any:
    table = _table("Who decided", ("decider", "tickets", "share"))
    for name, count in deciders.items():
        table.add_row(name, f"{count:,}", f"{count / tickets:.1%}")
    return table


def _scores(title: str, scores: Sequence[Mapping[str, Any]]) -> Any:
    table = _table(
        f"{title} ({scores[0]['tickets']:,})",
        ("answered by", "urgency", "team", "cost of errors", "missed urgent", "false alarms"),
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

    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    table.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table
