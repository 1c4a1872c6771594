"""The files of a new project, as text."""

import re
import shlex
import textwrap
from collections.abc import Sequence
from unicodedata import east_asian_width

from answerable.cli.draft import TELLS, WRONG, Column, Draft, Plan

WIDTH = 110  # columns of a line that we write

SETTINGS = """home = ".answerable"      # where this project's records are kept

[decisions]
{name} = "decision.py:decision"
"""

IGNORE = ".answerable/\n__pycache__/\n*.partial\n*.job\n"

SAMPLE = '''"""{title}: the decision."""

from typing import Annotated, Literal

from pydantic import BaseModel

import answerable as ans


class Message(BaseModel):
    """What is known when it is decided."""

    number: Annotated[str, ans.Key]  # by this the world outside knows a case
    text: Annotated[str, ans.Personal.free_text]


class Route(BaseModel):
    """What is answered."""

    team: Literal["billing", "technical", "general"]


def money_words(case: ans.Case[Message]) -> Route | ans.Abstain:
    """It is about money."""
    if any(word in case.input.text.lower() for word in ("invoice", "refund", "charged")):
        return Route(team="billing")
    return ans.Abstain("no word about money")


decision = ans.Decision(
    name="{name}",
    version="1",
    question="Which team takes this message?",
    input=Message,
    output=Route,
    owner="nobody-yet",  # who answers for it
    purpose="message-routing",
    stakes=ans.Stakes("USD", wrong=2.0, review=1.5),  # what a wrong answer and a look by a person cost
    deciders=[
        ans.rule(money_words),
        ans.rule({{"team": "CASE WHEN text LIKE '%error%' THEN 'technical' END"}}, name="error_word"),
        ans.default(Route(team="general")),
    ],
)
'''

SAMPLE_CASES = """number,text,truth.team
M-1,"I was charged twice, please refund one",billing
M-2,The app shows error 17 when I log in,technical
M-3,Where is your office?,general
M-4,My invoice has the wrong address,billing
M-5,Nothing works since the update,technical
"""

TEST = '''"""Each case of cases.csv gets an answer or a person to give it, and its ledger verifies."""

import csv
from pathlib import Path

import answerable as ans
from decision import decision

CASES = Path(__file__).with_name("cases.csv")


def test_every_case_is_answered() -> None:
    """No case fails or is refused."""
    with CASES.open(encoding="utf-8", newline="") as file, ans.Workspace("memory:") as workspace:
        for row in csv.DictReader(file):
            known = decision.input.model_fields
            given = {{n: v for n, v in row.items() if n in known and (v or known[n].annotation is str)}}
            outcome = workspace.decide(decision, given)
            assert outcome.status in ("answered", "escalated"), outcome.reason
        assert workspace.ledger.verify().ok


if __name__ == "__main__":
    test_every_case_is_answered()
    print("every case got an answer, or waits for a person")
'''

README = """# {title}

{what}

    answerable check                       what the decision is
    answerable decide cases.csv -o results.csv
    answerable why last                    why the newest case came out as it did
    answerable ledger verify               nothing was changed since
    python test_decision.py                the test; pytest runs it too

`decision.py` holds the decision. Put in who owns it and what a wrong answer costs, then change the deciders:
they are asked in order, and the first answer that is worth its risk stands. Give the decision a new version
when you change it. Records are kept in `.answerable/`.
"""


def sample_files(name: str, title: str) -> dict[str, str]:
    """Return file name -> text of a project with a small decision of ours."""
    what = "Routes messages to a team: two rules, and a default."
    return {
        "answerable.toml": SETTINGS.format(name=name),
        "decision.py": SAMPLE.format(name=name, title=title),
        "cases.csv": SAMPLE_CASES,
        "test_decision.py": TEST.format(),
        "README.md": README.format(title=title, what=what),
        ".gitignore": IGNORE,
    }


def drafted_files(name: str, title: str, drafted: Draft, plan: Plan, told: str) -> dict[str, str]:
    """Return file name -> text of a project drafted from data. told: what came of it, in a few sentences."""
    files = {
        "answerable.toml": SETTINGS.format(name=name),
        "decision.py": _decision(name, title, drafted, plan),
        "test_decision.py": TEST.format(),
        "README.md": README.format(title=title, what=_report(drafted, plan, told)),
        ".gitignore": IGNORE,
    }
    if "rule" in plan.order and drafted.rule is not None:
        rows = [(condition, answer) for condition, answer in drafted.rule.rows]
        files["rule.csv"] = table([(drafted.rule.field, f"answer.{drafted.target}"), *rows])
    return files


def figures(plan: Plan) -> list[list[str]]:
    """Return a row for each draft: its name, what share it answers, how often it is right."""
    shown = {"rule": "rule alone", "model": "model alone"}
    return [
        [
            shown.get(score.name, score.name),
            f"{score.answered / score.rows:.1%}",
            f"{score.right / score.answered:.1%}" if score.answered else "-",
            f"{score.right / score.rows:.1%}",
        ]
        for score in plan.scores
    ]


def _report(drafted: Draft, plan: Plan, told: str) -> str:
    lines = [
        *textwrap.wrap(told, WIDTH),
        "",
        f"| on {plan.scores[0].rows:,} held-out rows | answers | right of those | right of all |",
        "|---|---:|---:|---:|",
        *(f"| {' | '.join(row)} |" for row in figures(plan)),
    ]
    for heading, columns, more in (
        ("Left out of the input, the rule and the model:", drafted.left_out, put_back(drafted)),
        ("Used because `--keep` said so:", drafted.kept, ""),
    ):
        if columns:
            lines += ["", heading, ""]
            lines += [x for name, why in columns.items() for x in _wrapped(f"`{name}`: {why}", "- ", "  ")]
            lines += ["", *textwrap.wrap(more, WIDTH)] if more else []
    return "\n".join(lines)


def put_back(drafted: Draft) -> str:
    """Return how a column comes back that was left out, and when it should; "" if none can."""
    known = {name: why for name, why in drafted.left_out.items() if not why.startswith("it has no value")}
    if not known:
        return ""
    told = f"To put one back, draft again with `--keep {shlex.quote(next(iter(known)))}`."
    reasons = " ".join(known.values())
    if reasons.count("protected") < len(known):
        told += " Do it only for what is known before the decision is made."
    if TELLS in reasons:
        told += f" What tells {drafted.target} {TELLS} is a copy of it, or else all that a rule needs."
    if "protected" in reasons:
        told += (
            " A protected attribute needs a reason that the law allows. Other columns may still stand in for"
            " it, as a postcode does: look at how each group fares."
        )
    return told


def _wrapped(text: str, first: str, then: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=then)


def table(rows: Sequence[Sequence[object]]) -> str:
    """Return rows as CSV, None as an empty cell."""
    import csv
    import io

    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(["" if c is None else c for c in row] for row in rows)
    return text.getvalue()


def _decision(name: str, title: str, drafted: Draft, plan: Plan) -> str:
    model = "model" in plan.order
    code = [
        *([*_PLAIN.splitlines(), "", ""] if any(c.tidied for c in drafted.columns) else ()),
        "class Given(BaseModel):",
        '    """What is known when it is decided."""',
        "",
        *(line for column in drafted.columns for line in _field(column)),
        "",
        "",
        "class Answer(BaseModel):",
        '    """What is answered."""',
        "",
        *fit(f"    {drafted.target}: Literal[", list(map(quoted, drafted.labels)), "]"),
        "",
        "",
        *((*feature_code(drafted.columns), *_LOAD.splitlines()) if model else ()),
        *_end(name, drafted, plan),
    ]
    text = "\n".join(code)
    times = [t for t in ("date", "datetime") if any(c.kind == t for c in drafted.columns)]
    typed = [t for t in ("Annotated", "Any") if re.search(rf"\b{t}\b", text)]
    head = [
        f'"""{title}: the decision, drafted from data."""',
        "",
        *(["import re"] if "re.sub(" in text else []),
        *([f"from datetime import {', '.join(times)}"] if times else []),
        "from pathlib import Path",
        f"from typing import {', '.join([*typed, 'Literal'])}",
        "",
        f"from pydantic import BaseModel{', BeforeValidator' if 'BeforeValidator' in text else ''}",
        "",
        "import answerable as ans",
        "",
        *(["HERE = Path(__file__).parent", "", ""] if plan.order else [""]),
    ]
    if not plan.order:
        head.remove("from pathlib import Path")
    return "\n".join([*head, text, ""])


def _end(name: str, drafted: Draft, plan: Plan) -> list[str]:
    """Return the lines of the decision itself."""
    target, value = drafted.target, quoted(drafted.labels[0])
    usual = f"Answer({target}={value})"
    lines = []
    if _width(usual) > WIDTH - 20:
        lines, usual = [f"USUAL = {value}", ""], f"Answer({target}=USUAL)"
    load = f'{{"{target}": load(HERE / "model.joblib")}}'
    deciders = {
        "rule": ['        ans.rule(table=HERE / "rule.csv"),  # read it: it may be all that is needed'],
        "model": fit("        ans.model(", [load, "features=text_of", 'version="1"'], "),"),
    }
    if plan.person:
        told = "Who answers what is left; after a day without an answer the most common one stands."
        last = fit("        ans.person(", [f'queue="{name}"', 'within="1d"', f"then={usual}"], "),")
    else:
        told = "What is left gets the most common answer; ans.person(queue=..., within=...) asks somebody."
        last = fit("        ans.default(", [usual], "),")
    costs = "What a wrong answer and a look by a person cost: put in your own."
    if "model" in plan.order:
        which = (
            f"answers below a probability of {plan.sure:.2f} go on" if plan.sure else "every answer stands"
        )
        costs += f" As drafted, of the model {which}."
    return [
        *lines,
        *_left_out(drafted),
        "decision = ans.Decision(",
        f'    name="{name}",',
        '    version="1",',
        f'    question="What is the {target.replace("_", " ").strip()} of this case?",',
        "    input=Given,",
        "    output=Answer,",
        '    owner="nobody-yet",  # who answers for it',
        f'    purpose="{name}",',
        *_wrapped(costs, "    # ", "    # "),
        f'    stakes=ans.Stakes("USD", wrong={WRONG}, review={plan.review}),',
        "    deciders=[",
        *(line for one in plan.order for line in deciders[one]),
        f"        # {told}",
        *last,
        "    ],",
        ")",
    ]


def _left_out(drafted: Draft) -> list[str]:
    lines: list[str] = []
    for heading, columns, more in (
        ("Left out of the input, the rule and the model:", drafted.left_out, put_back(drafted)),
        ("Used because --keep said so:", drafted.kept, ""),
    ):
        if columns:
            lines += [f"# {heading}"]
            lines += [x for n, why in columns.items() for x in _wrapped(f"{n}: {why}", "#   ", "#     ")]
            lines += _wrapped(more.replace("`", ""), "# ", "# ") if more else []
    return lines


def _field(column: Column) -> list[str]:
    """Return the lines of one input field."""
    mark = {
        "key": "ans.Key",
        "subject": "ans.Subject",
        "personal": f'ans.Personal("{column.personal}")',
        "text": "ans.Personal.free_text",
    }.get(column.kind)
    marks = [*(["BeforeValidator(plain)"] if column.tidied else []), *([mark] if mark else [])]
    kind = {"number": "float"}.get(column.kind, column.kind)
    if column.kind not in ("number", "date", "datetime"):
        lines = fit(f"    {column.field}: Annotated[", ["str", *marks], "]") if marks else []
        lines = lines or [f"    {column.field}: str"]
    else:
        lines = [f"    {column.field}: {kind}{' | None = None' if column.missing else ''}"]
    if column.column == column.field:
        return lines
    told = f"the column {quoted(column.column)}"
    if len(lines) == 1 and _width(f"{lines[0]}  # {told}") <= WIDTH:
        return [f"{lines[0]}  # {told}"]
    return [*_wrapped(told, "    # ", "    # "), *lines]


def feature_code(columns: Sequence[Column]) -> list[str]:
    """Return the lines of `text_of`, which makes one text of an input."""
    short = [c for c in columns if c.kind in ("word", "number")]
    items = [f"given.{c.field}" for c in columns if c.kind == "text"]
    items += [f'word("{c.field}", given.{c.field})' for c in short]
    return [
        *(_WORD.splitlines() if short else ()),
        "def text_of(given: Given) -> str:",
        '    """Return the text that the model sees."""',
        *fit("    words = [", items, "]"),
        '    return " ".join(words)',
        "",
        "",
    ]


def fit(head: str, items: Sequence[str], tail: str) -> list[str]:
    """Return `head`, items and `tail` as one line if it fits, else an item a line, as ruff formats them."""
    line = f"{head}{', '.join(items)}{tail}"
    if _width(line) <= WIDTH:
        return [line]
    indent = " " * (len(head) - len(head.lstrip()))
    lines = [head]
    for item in items:
        call = re.fullmatch(r"([\w.= ]+\()(.*)(\))", item)
        if call and _width(f"{indent}    {item},") > WIDTH:
            inner = [call[2]]
            if _width(f"{indent}        {call[2]}") > WIDTH:
                inner = [f"{argument}," for argument in call[2].split(", ")]
            inner = [f"{indent}        {one}" for one in inner]
            lines += [f"{indent}    {call[1]}", *inner, f"{indent}    {call[3]},"]
        else:
            lines.append(f"{indent}    {item},")
    return [*lines, f"{indent}{tail}"]


def quoted(text: str) -> str:
    """Return `text` as a Python string in the quotes that ruff would choose."""
    if text.count('"') > text.count("'"):
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _width(text: str) -> int:
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


_PLAIN = r'''def plain(value: Any) -> Any:
    """Return a code as it is meant: some tables hold 11207 as 11207.0, and true as a flag."""
    if isinstance(value, bool):
        return str(value).lower()
    return re.sub(r"^\s*(\d+)\.0\s*$", r"\1", str(value)) if isinstance(value, str | float) else value'''

_WORD = r'''def word(name: str, value: Any) -> str:
    """Return a short value as one word, a number by its size."""
    text = f"{value:.1e}" if isinstance(value, float) else str(value)
    return re.sub(r"\W+", "_", f"{name}_{text}")


'''

_LOAD = """def load(path: Path) -> Any:
    \"\"\"Return the trained model; it is a pickle, so load only your own.\"\"\"
    import joblib

    return joblib.load(path)


"""
