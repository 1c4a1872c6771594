"""What user code is, as a digest: a definition changes when the code that answers or checks changes."""

import hashlib
import inspect
from collections.abc import Callable
from functools import partial
from types import CodeType
from typing import Any

_CONSTANTS = (str, bytes, int, float, bool, type(None))


def code_digest(function: Callable[..., Any]) -> str:
    """Return the SHA-256 (hex) of a function's source, or of its bytecode where there is no source.

    Constants that a closure or a `partial` holds count too; the same code gives the same digest in every
    process. Of a callable object its class counts, not what the object holds: give it a version.
    """
    if isinstance(function, partial):
        held = [repr(v) for v in (*function.args, *sorted(function.keywords.items())) if _constant(v)]
        return hashlib.sha256("\0".join((code_digest(function.func), *held)).encode()).hexdigest()
    target = inspect.unwrap(function)
    if not hasattr(target, "__code__"):
        target = type(target)
    try:
        seed = inspect.getsource(target)
    except (OSError, TypeError):
        code = getattr(target, "__code__", None)
        seed = _code_text(code) if code else f"{target.__module__}.{target.__qualname__}"
    cells = [cell.cell_contents for cell in getattr(target, "__closure__", None) or () if _filled(cell)]
    seed = "\0".join((seed, *(repr(value) for value in cells if _constant(value))))
    return hashlib.sha256(seed.encode("utf-8", "backslashreplace")).hexdigest()


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a name that is assigned later
        return False


def _constant(value: Any) -> bool:
    """Say whether `repr` of a value is the same in every process."""
    if isinstance(value, tuple):
        return all(map(_constant, value))
    return type(value) in _CONSTANTS


def _code_text(code: CodeType) -> str:
    return f"{code.co_code.hex()}|{code.co_names}|{[_const_text(c) for c in code.co_consts]}"


def _const_text(value: Any) -> str:
    if isinstance(value, CodeType):
        return _code_text(value)
    if isinstance(value, frozenset):  # its order depends on the process
        return f"frozenset({sorted(map(_const_text, value))})"
    if isinstance(value, tuple):
        return f"({','.join(map(_const_text, value))})"
    return repr(value)
