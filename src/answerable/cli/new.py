"""The command `new`."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from answerable.cli.options import Json, command
from answerable.cli.printing import note, say, say_json, say_table
from answerable.errors import InputError, UsageError

if TYPE_CHECKING:
    from answerable.cli.draft import Draft, Plan
    from answerable.cli.draft_model import Model

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
    query: Annotated[
        str | None,
        typer.Option("--query", metavar="SQL", help="SELECT or table of a database, sheet of a workbook."),
    ] = None
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep", metavar="COL", help="Use a column that looks like a leak or a protected attribute."
        ),
    ] = None


def new(options: NewOptions) -> None:
    """Start a small project that works at once: a decision, cases, a test.

    With --from and --target it is drafted from data: the best rule over one column and, where scikit-learn
    is installed, a small text model. How often each is right is measured on rows that neither has seen.
    Columns that give the answer away, that are known only afterwards or that are protected attributes (sex,
    age, race) are left out, and named; --keep puts one back.
    """
    folder = _folder(options.name)
    name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")
    if not re.match(r"[a-z]", name) or len(name) > 64:
        raise UsageError(
            f"{folder.name!r} is no name for a decision", next_step='use words such as "route-ticket"'
        )
    if (options.data is None) != (options.target is None):
        raise UsageError(
            "--from and --target go together", next_step="say which column of which data is decided"
        )
    if options.data is None and (options.query is not None or options.keep):
        raise UsageError("--query and --keep need --from", next_step="say which data is drafted from")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already", next_step="name a new or an empty folder")
    title = name.replace("-", " ").capitalize()
    if options.data is None or options.target is None:
        from answerable.cli.project import sample_files

        files = sample_files(name, title)
        _write(folder, files)
        _tell(options, folder, files, {}, [])
    else:
        _drafted(options, folder, name, title, options.data, options.target)


def _folder(name: str) -> Path:
    """Return the folder to make; a name that a shell would stumble over becomes words with dashes."""
    path = Path(name)
    if re.fullmatch(r"\w[\w.-]*", path.name):
        return path
    plain = re.sub(r"[^\w.]+", "-", path.name.lower()).strip("-.")
    return path.with_name(plain) if plain else path


def _drafted(options: NewOptions, folder: Path, name: str, title: str, data: str, target: str) -> None:
    from answerable.cli.draft import TELLS, draft
    from answerable.cli.draft_model import judge, train
    from answerable.cli.project import drafted_files, figures, put_back, table
    from answerable.cli.targets import load_target

    if "://" in data and not (options.query or "").strip():
        raise UsageError(
            "a database needs to be told which rows",
            next_step='add --query TABLE, or --query "SELECT ... FROM ..."',
        )
    drafted = draft(data, target, query=options.query, keep=options.keep or ())
    model = train(drafted)
    plan = judge(drafted, model)
    verdict = _verdict(drafted, model, plan)
    files = drafted_files(name, title, drafted, plan, verdict)
    fields = [column.field for column in drafted.columns]
    held = [[*(cells.get(field) for field in fields), label] for cells, label in drafted.held[:_CASES]]
    files["cases.csv"] = table([[*fields, f"truth.{drafted.target}"], *held])
    _write(folder, files)
    if model is not None and "model" in plan.order:
        model.save(folder / "model.joblib")
        files["model.joblib"] = ""
    load_target("decision.py:decision", start=folder.resolve())  # what we hand over has to load
    suspects = {**drafted.left_out, **drafted.kept}
    more: dict[str, Any] = {
        "rows": len(drafted.train) + len(drafted.held),
        "left_out": drafted.dropped,
        "target": drafted.target,
        "labels": list(drafted.labels),
        "inputs": {column.field: column.kind for column in drafted.columns},
        "columns_left_out": dict(drafted.left_out),
        "put_back": put_back(drafted),
        "columns_kept": dict(drafted.kept),
        "leak": next((name for name, why in suspects.items() if TELLS in why), None),
        "rule": None if drafted.rule is None else drafted.rule.told,
        "held_out": [score.data() for score in plan.scores],
        "deciders": [*plan.order, "person" if plan.person else "default"],
        "sure": plan.sure,
        "verdict": verdict,
    }
    _tell(options, folder, files, more, figures(plan))


def _verdict(drafted: "Draft", model: "Model | None", plan: "Plan") -> str:
    right = {score.name: score.right / score.rows for score in plan.scores}
    usual = right[f"always {drafted.labels[0]}"]
    told = [f"Drafted from {len(drafted.train):,} rows and judged on {len(drafted.held):,} others."]
    if drafted.rule is None:
        told.append("There is no rule: none over one column is right more often than one constant answer.")
    elif "rule" not in plan.order:
        told.append("The best rule is not used: the decision does as well or better without it.")
    if model is None:
        told.append("There is no model: scikit-learn is not installed, or no column is fit for it.")
    elif max(right.get("rule", 0.0), usual) >= right["model"] - 0.01:
        told.append(
            "The model is no better than "
            + ("the rule." if right.get("rule", 0.0) >= usual else "one constant answer.")
        )
    if plan.person:
        told.append("What is left goes to a person." if plan.order else "Every case goes to a person.")
    return " ".join(told)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8", newline="")
    except OSError as exc:
        raise InputError(
            f"cannot write {exc.filename}: {exc.strerror}", next_step="name a place you can write to"
        ) from exc


def _tell(
    options: NewOptions,
    folder: Path,
    files: Mapping[str, str],
    more: Mapping[str, Any],
    figures: Sequence[Sequence[str]],
) -> None:
    if options.json:
        say_json({"folder": str(folder), "files": sorted(files), **more})
        return
    if more:
        columns = ["answers", "right of those", "right of all"]
        say_table([f"on {more['held_out'][0]['rows']:,} held-out rows", *columns], figures, numbers=columns)
        say()
        say(more["verdict"])
        if more["columns_left_out"]:
            say()
            say_table(["column left out", "why"], list(more["columns_left_out"].items()))
            say()
            if more["put_back"]:
                say(more["put_back"].replace("`", ""))
        for name, why in more["columns_kept"].items():
            say(f"{name} is used because --keep said so, though {why}")
        if more["left_out"]:
            note(f"{more['left_out']:,} rows without a usable value were left out")
    there = shlex.quote(str(folder))
    say(f"{folder} holds {', '.join(sorted(files))}")
    say(f"next: cd {there} && answerable check && answerable decide cases.csv -o results.csv")


def add_to(app: typer.Typer) -> None:
    """Put the command into the command line."""
    command(app, "new", example="answerable new route-ticket --from tickets.csv --target team")(new)
