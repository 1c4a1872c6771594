"""The command `new`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from answerable.cli.options import Json, command
from answerable.cli.printing import note, say, say_json, say_table
from answerable.errors import InputError, UsageError

if TYPE_CHECKING:
    from answerable.cli.draft import Draft
    from answerable.cli.draft_model import Model, Score

_CASES = 200  # held-out rows that go into cases.csv


@dataclass(frozen=True, kw_only=True, slots=True)
class NewOptions(Json):
    """Options of `new`."""

    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The folder to make; its name names the decision.")
    ]
    data: Annotated[
        str | None,
        typer.Option("--from", metavar="DATA", help="Labelled rows to draft it from: a file or SQL URL."),
    ] = None
    target: Annotated[
        str | None, typer.Option("--target", metavar="COL", help="The column of DATA that is to be decided.")
    ] = None


def new(options: NewOptions) -> None:
    """Start a small project that works at once: a decision, cases, a test.

    With --from and --target it is drafted from data: the best rule over one column and, where scikit-learn
    is installed, a small text model. How often each is right is measured on rows that neither has seen.
    """
    folder = Path(options.name)
    name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")
    if not re.match(r"[a-z]", name) or len(name) > 64:
        raise UsageError(
            f"{folder.name!r} is no name for a decision", next_step='use words such as "route-ticket"'
        )
    if (options.data is None) != (options.target is None):
        raise UsageError(
            "--from and --target go together", next_step="say which column of which data is decided"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already", next_step="name a new or an empty folder")
    title = name.replace("-", " ").capitalize()
    if options.data is None or options.target is None:
        from answerable.cli.project import sample_files

        files = sample_files(name, title)
        _write(folder, files)
        _tell(options, folder, files, {})
    else:
        _drafted(options, folder, name, title, options.data, options.target)


def _drafted(options: NewOptions, folder: Path, name: str, title: str, data: str, target: str) -> None:
    from answerable.cli.draft import draft
    from answerable.cli.draft_model import judge, train
    from answerable.cli.project import drafted_files, table
    from answerable.cli.targets import load_target

    drafted = draft(data, target)
    model = train(drafted)
    order, scores = judge(drafted, model)
    files = drafted_files(name, title, drafted, order, _verdict(drafted, model, scores))
    fields = [column.field for column in drafted.columns]
    held = [[*(cells.get(field) for field in fields), label] for cells, label in drafted.held[:_CASES]]
    files["cases.csv"] = table([[*fields, f"truth.{drafted.target}"], *held])
    _write(folder, files)
    if model is not None and "model" in order:
        model.save(folder / "model.joblib")
        files["model.joblib"] = ""
    load_target("decision.py:decision", start=folder.resolve())  # what we hand over has to load
    more: dict[str, Any] = {
        "rows": len(drafted.train) + len(drafted.held),
        "left_out": drafted.dropped,
        "target": drafted.target,
        "labels": list(drafted.labels),
        "inputs": {column.field: column.kind for column in drafted.columns},
        "leak": _leak(drafted, scores),
        "rule": None if drafted.rule is None else drafted.rule.told,
        "held_out": [score.data() for score in scores],
        "deciders": [*order, "default"],
        "verdict": _verdict(drafted, model, scores),
    }
    _tell(options, folder, files, more)


def _leak(drafted: "Draft", scores: "list[Score]") -> str | None:
    """Return the column that answers alone and without an error, which is too good to be an input."""
    rule = next((score for score in scores if score.name == "rule"), None)
    if drafted.rule is None or rule is None or rule.right < 0.995 * rule.rows:
        return None
    return drafted.rule.field


def _verdict(drafted: "Draft", model: "Model | None", scores: "list[Score]") -> str:
    right = {score.name: score.right / score.rows for score in scores}
    usual = right[f"always {drafted.labels[0]}"]
    about = f"Drafted from {len(drafted.train):,} rows and judged on {len(drafted.held):,} others."
    if model is None:
        return f"{about} There is no model: scikit-learn is not installed, or no column is fit for it."
    ruled = right.get("rule", 0.0)
    if max(ruled, usual) >= right["model"] - 0.01:
        return (
            f"{about} The model is no better than {'the rule' if ruled >= usual else 'one constant answer'}."
        )
    return f"{about} Right are: model {right['model']:.1%}, rule {ruled:.1%}, one constant {usual:.1%}."


def _write(folder: Path, files: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8", newline="")
    except OSError as exc:
        raise InputError(
            f"cannot write {exc.filename}: {exc.strerror}", next_step="name a place you can write to"
        ) from exc


def _tell(options: NewOptions, folder: Path, files: Mapping[str, str], more: Mapping[str, Any]) -> None:
    if options.json:
        say_json({"folder": str(folder), "files": sorted(files), **more})
        return
    if more:
        rows = [[s["name"], f"{s['answered']:,}", f"{s['accuracy']:.1%}"] for s in more["held_out"]]
        say_table(["on held-out rows", "answers", "right"], rows, numbers=["answers", "right"])
        say()
        say(more["verdict"])
        if more["leak"]:
            say(f"{more['leak']} tells {more['target']} all by itself: is it known beforehand?")
        if more["left_out"]:
            note(f"{more['left_out']:,} rows without a usable value were left out")
    say(f"{folder} holds {', '.join(sorted(files))}")
    say(f"next: cd {folder} && answerable check && answerable decide cases.csv -o results.csv")


def add_to(app: typer.Typer) -> None:
    """Put the command into the command line."""
    command(app, "new", example="answerable new route-ticket --from tickets.csv --target team")(new)
