"""What policies can ask for, as a Cedar schema; every policy is checked against it before it is used."""

from collections.abc import Iterable, Mapping

from answerable.errors import UsageError
from answerable.governance.access import ACTIONS, APPLIES, Shape
from answerable.governance.residuals import row_type

_CEDAR: Mapping[str, str] = {"text": "String", "whole": "Long", "flag": "Bool", "texts": "Set<String>"}
CONTEXT: Mapping[str, str] = {"purpose": "text", "two_persons": "flag"}

_FIXED = """\
// Who asks. id: such as "user:4711"; kind and name: what stands before and behind its colon. verified: a
// credential was checked. on_behalf_of: the id of the principal for whom this one acts.
entity Role;
entity Principal in [Role] {
  id: String, kind: String, name: String, verified: Bool, on_behalf_of?: String%s
};

// What is asked for. A subject is known by its keyed digest only.
entity Decision { owner: String, purpose: String, severity: String };
entity Source { owner: String, purposes: Set<String> };
entity Subject;
entity Home;
"""


def schema(attributes: Mapping[str, str], sources: Iterable[Shape]) -> str:
    """Return the schema as Cedar writes it.

    attributes: of principals, name -> kind. Raises UsageError where two sources' rows would be one type.
    """
    shapes = sorted(sources, key=lambda shape: shape.source)
    more = "".join(f",\n  {name}?: {_CEDAR[kind]}" for name, kind in sorted(attributes.items()))
    return "\n".join(
        [_FIXED % more, *_rows(shapes), *(_action(name, APPLIES[name], shapes) for name in ACTIONS), ""]
    )


def _rows(shapes: list[Shape]) -> list[str]:
    known: dict[str, str] = {}
    lines = []
    for shape in shapes:
        kind = row_type(shape.source)
        if kind in known:
            raise UsageError(
                f"the rows of {known[kind]!r} and {shape.source!r} would both be {kind} to policies",
                next_step="give one of the sources another name",
            )
        known[kind] = shape.source
        columns = (
            f"  {_quoted(name)}{'?' if column.empty else ''}: {_CEDAR[column.kind]}"
            for name, column in sorted(shape.columns.items())
        )
        lines.append(
            f"  entity {kind.removeprefix('Row::')} in [Source] {{\n  " + ",\n  ".join(columns) + "\n  };"
        )
    if not lines:
        return []
    return ["// A row of each source; a column with a ? may be empty.", "namespace Row {", *lines, "}", ""]


def _action(name: str, kinds: Iterable[str], shapes: list[Shape]) -> str:
    rows = [row_type(shape.source) for shape in shapes]
    resources = [of for kind in kinds for of in (rows if kind == "Row" else [kind])]
    context = ", ".join(f"{n}: {_CEDAR[kind]}" for n, kind in CONTEXT.items())
    return (
        f"action {name} appliesTo {{\n  principal: [Principal], resource: [{', '.join(resources)}],\n"
        f"  context: {{ {context} }}\n}};"
    )


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
