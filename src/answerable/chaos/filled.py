"""Fills a JSON schema with values that fit it, so that a pretended model can answer any question soundly."""

import re
from collections.abc import Mapping
from typing import Any

_DEEPEST = 12
_FORMATS: dict[str, str] = {
    "date": "2026-01-15",
    "date-time": "2026-01-15T09:00:00Z",
    "time": "09:00:00Z",
    "duration": "PT1H",
    "email": "a.person@example.org",
    "uuid": "01900000-0000-7000-8000-000000000000",
    "uri": "https://example.org/",
    "ipv4": "192.0.2.1",
    "decimal": "1.5",
}


def filled(schema: Mapping[str, Any], *, source: str = "") -> Any:
    """Return a value for `schema`: the first choice of an enum, the smallest number, the shortest list.

    source: what was asked; a field that wants quotes gets words that really stand there. Keywords that
    it does not know are not heeded.
    """
    return _value(schema, schema, source, "", 0)


def _value(schema: Any, root: Mapping[str, Any], source: str, name: str, depth: int) -> Any:
    schema = _resolved(schema, root)
    if not schema or depth > _DEEPEST:
        return None
    if "const" in schema:
        return schema["const"]
    for known in ("enum", "examples"):
        if schema.get(known):
            return schema[known][0]
    if "default" in schema and schema["default"] is not None:
        return schema["default"]
    for joined in ("anyOf", "oneOf"):
        arms = [arm for arm in schema.get(joined, ()) if _resolved(arm, root).get("type") != "null"]
        if arms:
            return _value(arms[0], root, source, name, depth + 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), None)
    if kind == "object" or "properties" in schema:
        return {
            n: _value(inner, root, source, n, depth + 1) for n, inner in schema.get("properties", {}).items()
        }
    if kind == "array":
        return _items(schema, root, source, name, depth)
    if kind in ("number", "integer"):
        return _number(schema, whole=kind == "integer")
    if kind == "boolean":
        return False
    return _text(schema, source, name) if kind == "string" else None


def _resolved(schema: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """Follow `$ref` and merge `allOf`, which is how a described field refers to its type."""
    if not isinstance(schema, Mapping):
        return {}
    found = dict(schema)
    for _ in range(_DEEPEST):
        if isinstance(found.get("$ref"), str):
            target: Any = root
            for step in found.pop("$ref").removeprefix("#/").split("/"):
                target = target.get(step, {}) if isinstance(target, Mapping) else {}
            found = {**target, **found}
        elif found.get("allOf"):
            for part in found.pop("allOf"):
                found = {**part, **found}
        else:
            break
    return found


def _items(schema: dict[str, Any], root: Mapping[str, Any], source: str, name: str, depth: int) -> list[Any]:
    if schema.get("prefixItems"):
        return [_value(inner, root, source, name, depth + 1) for inner in schema["prefixItems"]]
    one = _resolved(schema.get("items", {}), root)
    count = max(schema.get("minItems", 0), 1 if "quote" in name else 0)
    choices = one.get("enum") or []
    if len(choices) >= count and schema.get("uniqueItems"):
        return list(choices[:count])
    return [_value(one, root, source, name, depth + 1) for _ in range(count)]


def _number(schema: dict[str, Any], *, whole: bool) -> Any:
    low = schema.get("minimum")
    if low is None and "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + (1 if whole else 0.5)
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    value = low if low is not None else 1
    if high is not None and value >= high:
        value = low if low is not None else high - 1
    step = schema.get("multipleOf")
    if step and value % step:
        value = (value // step + 1) * step
    return int(value) if whole else float(value)


def _text(schema: dict[str, Any], source: str, name: str) -> str:
    if "quote" in name and source.strip():
        return _longest_line(source)
    known = _FORMATS.get(schema.get("format", ""))
    if known is not None:
        return known
    pattern = schema.get("pattern")
    text: str = "as asked"
    if pattern and not re.search(pattern, text):
        text = _matching(pattern) or text
    text += "." * max(0, schema.get("minLength", 0) - len(text))
    longest = schema.get("maxLength")
    return text if longest is None else text[: int(longest)]


def _longest_line(source: str) -> str:
    """Return a few words that stand in `source` exactly so; letters and spaces only, for no JSON escapes."""
    runs: list[str] = re.findall(r"[^\W\d_]+(?: [^\W\d_]+){1,5}", source)
    return max(runs, key=len, default=source.strip()[:20])


def _matching(pattern: str) -> str | None:
    """Return a text for the plain patterns that fields have; None where none of the usual ones fits."""
    for text in (
        "A-1",
        "A1",
        "1",
        "12",
        "1234",
        "a",
        "A",
        "abc",
        "ABC",
        "abc-1",
        "T-1",
        "12345678",
        "a@b.org",
    ):
        if re.search(pattern, text):
            return text
    return None
