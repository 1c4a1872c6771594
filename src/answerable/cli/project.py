"""The files of a new project, as text."""

from collections.abc import Sequence

from answerable.cli.draft import Column, Draft

SETTINGS = """home = ".answerable"      # where this project's records are kept

[decisions]
{name} = "decision.py:decision"
"""

IGNORE = ".answerable/\n__pycache__/\n*.partial\n*.job\n"

SAMPLE = '''"""{title}: the decision, and what may answer it."""

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

TEST = '''"""Each case of cases.csv gets an answer, and the ledger that recorded it verifies."""

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
            assert outcome.status == "answered", outcome.reason
        assert workspace.ledger.verify().ok
'''

README = """# {title}

{what}

    answerable check                       what the decision is
    answerable decide cases.csv -o results.csv
    answerable why last                    why the newest case came out as it did
    answerable ledger verify               nothing was changed since
    python -m pytest                       the test

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


def drafted_files(name: str, title: str, drafted: Draft, order: Sequence[str], told: str) -> dict[str, str]:
    """Return file name -> text of a project drafted from data. order: of "rule" and "model"."""
    files = {
        "answerable.toml": SETTINGS.format(name=name),
        "decision.py": _decision(name, title, drafted, order),
        "test_decision.py": TEST.format(),
        "README.md": README.format(title=title, what=told),
        ".gitignore": IGNORE,
    }
    if "rule" in order and drafted.rule is not None:
        rows = [(condition, answer) for condition, answer in drafted.rule.rows]
        files["rule.csv"] = table([(drafted.rule.field, f"answer.{drafted.target}"), *rows])
    return files


def table(rows: Sequence[Sequence[object]]) -> str:
    """Return rows as CSV, None as an empty cell."""
    import csv
    import io

    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(["" if c is None else c for c in row] for row in rows)
    return text.getvalue()


def _decision(name: str, title: str, drafted: Draft, order: Sequence[str]) -> str:
    deciders = {
        "rule": '        ans.rule(table=HERE / "rule.csv"),  # read it: it may be all that is needed',
        "model": f'        ans.model({{"{drafted.target}": load(HERE / "model.joblib")}}, '
        'features=text_of, version="1"),',
    }
    usual = f"Answer({drafted.target}={drafted.labels[0]!r})"
    lines = [
        f'"""{title}: the decision, drafted from data, and what may answer it."""',
        "",
        *(["import re"] if "model" in order else []),
        "from pathlib import Path",
        f"from typing import Annotated, {'Any, ' if 'model' in order else ''}Literal",
        "",
        "from pydantic import BaseModel",
        "",
        "import answerable as ans",
        "",
        "HERE = Path(__file__).parent",
        "",
        "",
        "class Given(BaseModel):",
        '    """What is known when it is decided."""',
        "",
        *(f"    {_field(column)}" for column in drafted.columns),
        "",
        "",
        "class Answer(BaseModel):",
        '    """What is answered."""',
        "",
        f"    {drafted.target}: Literal[{', '.join(map(repr, drafted.labels))}]",
        "",
        "",
        *((*feature_code(drafted.columns), *_LOAD.splitlines()) if "model" in order else ()),
        "decision = ans.Decision(",
        f'    name="{name}",',
        '    version="1",',
        f"    question={f'What is the {drafted.target} of this case?'!r},",
        "    input=Given,",
        "    output=Answer,",
        '    owner="nobody-yet",  # who answers for it',
        f'    purpose="{name}",',
        "    # What a wrong answer and a look by a person cost.",
        '    stakes=ans.Stakes("USD", wrong=2.0, review=1.5),',
        "    deciders=[",
        *(deciders[one] for one in order),
        f"        ans.default({usual}),  # or ans.person(queue=..., within=...)",
        "    ],",
        ")",
        "",
    ]
    return "\n".join(lines)


def _field(column: Column) -> str:
    kinds = {
        "key": "Annotated[str, ans.Key]",
        "subject": "Annotated[str, ans.Subject]",
        "personal": f"Annotated[str, ans.Personal({column.personal!r})]",
        "text": "Annotated[str, ans.Personal.free_text]",
        "word": "str",
        "number": "float | None = None" if column.missing else "float",
    }
    told = "" if column.column == column.field else f"  # the column {column.column!r}"
    return f"{column.field}: {kinds[column.kind]}{told}"


def feature_code(columns: Sequence[Column]) -> list[str]:
    """Return the lines of `text_of`, which makes one text of an input."""
    named = [f"given.{c.field}" for c in columns if c.kind == "text"]
    words = [f'word("{c.field}", given.{c.field})' for c in columns if c.kind in ("word", "number")]
    return [
        "def word(name: str, value: Any) -> str:",
        '    """Return a short value as one word, a number by its size."""',
        '    text = f"{value:.1e}" if isinstance(value, float) else str(value)',
        '    return re.sub(r"\\W+", "_", f"{name}_{text}")',
        "",
        "",
        "def text_of(given: Given) -> str:",
        '    """Return the text that the model sees."""',
        f'    return " ".join([{", ".join([*named, *words])}])',
        "",
        "",
    ]


_LOAD = """def load(path: Path) -> Any:
    \"\"\"Return the trained model; it is a pickle, so load only your own.\"\"\"
    import joblib

    return joblib.load(path)


"""
