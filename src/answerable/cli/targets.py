"""Finds the decision that a command line names: `module:attribute`, `path.py:attribute` or a name."""

import importlib
import importlib.util
import inspect
import re
import sys
import sysconfig
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

from answerable.decisions.decision import Decision
from answerable.errors import AnswerableError, UsageError, did_you_mean
from answerable.home import PROJECT_FILE, Project, find_project
from answerable.integrations.tables_core import near_names

_UNEXPECTED = re.compile(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")
_FORM = "name it as `module:attribute` or `path.py:attribute`"


def load_target(target: str | None, *, start: Path | None = None) -> Decision[Any, Any]:
    """Return the decision at `target`, or the project's only one where target is None.

    start: where the project file is looked for and what paths are relative to; the working directory.
    Raises UsageError for whatever keeps it from being loaded, the user's own errors with file and line.
    """
    start = start or Path.cwd()
    if target is None or ":" not in target:
        target, start = _from_project(target, find_project(start), start)
    where, _, attribute = target.rpartition(":")
    if not where or not attribute or not all(part.isidentifier() for part in attribute.split(".")):
        raise UsageError(f"the target {target!r} is not `module:attribute`", next_step=_FORM)
    with redirect_stdout(sys.stderr):  # what a module prints is no result of ours
        module = _load_file(start / where) if where.endswith(".py") else _load_module(where, start)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            decisions = [name for name, value in vars(module).items() if isinstance(value, Decision)]
            raise UsageError(f"{where} has no {attribute!r}", next_step=did_you_mean(attribute, decisions))
        found = getattr(found, part)
    if not isinstance(found, Decision):
        decisions = [name for name, value in vars(module).items() if isinstance(value, Decision)]
        raise UsageError(
            f"{target} is not a Decision but of type {type(found).__name__}",
            next_step=did_you_mean(attribute, decisions),
        )
    return found


def _from_project(name: str | None, project: Project | None, start: Path) -> tuple[str, Path]:
    """Return the target that the project file gives, and the folder it counts from."""
    known = {} if project is None else dict(project.decisions)
    if name is None:
        if project is None:
            raise UsageError(f"no decision is named and there is no {PROJECT_FILE}", next_step=_FORM)
        if len(known) != 1:
            have = ", ".join(sorted(known)) or "none"
            raise UsageError(
                f"the project names {len(known)} decisions ({have})", next_step="name one of them"
            )
        name = next(iter(known))
    if project is None or name not in known:
        path = start / name
        if name.endswith(".py") and path.is_file():
            raise UsageError(f"the target {name!r} names no attribute", next_step=f"add it: {name}:NAME")
        if not known:
            raise UsageError(f"no decision is named {name!r}", next_step=_FORM)
        step = did_you_mean(name, known)
        raise UsageError(f"no decision of the project is named {name!r}", next_step=step)
    target = known[name]
    if ":" not in target:
        raise UsageError(f"{PROJECT_FILE} names {name!r} as {target!r}", next_step=_FORM)
    return target, project.folder


def _load_module(name: str, start: Path) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"{name!r} is no module name", next_step=_FORM)
    _import_from(start)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not (name == exc.name or name.startswith(f"{exc.name}.")):
            raise _blamed(exc, name) from exc
        path = f"{name}.py:NAME"
        raise UsageError(
            f"no module is named {name!r} from {start}",
            next_step=f"check the name, or give the file, as {path}",
        ) from exc
    except (Exception, SystemExit) as exc:  # the boundary: the module is the user's
        raise _blamed(exc, name) from exc


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        near = near_names(path.name, (p.name for p in path.parent.glob("*.py")))
        step = f"did you mean {near[0]!r}?" if near else f"check the path; {_FORM}"
        raise UsageError(f"no file {str(path)!r}", next_step=step)
    path = path.resolve()
    _import_from(path.parent)
    name = path.stem
    known = sys.modules.get(name)
    if known is not None:
        if getattr(known, "__file__", None) == str(path):
            return known
        name = f"answerable_target_{name}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pydantic and pickle look the module up while it runs
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as exc:  # the boundary: the module is the user's
        del sys.modules[name]
        raise _blamed(exc, str(path)) from exc
    return module


def _import_from(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _blamed(exc: BaseException, name: str) -> UsageError:
    """Return what the user's module raised, with the file and line of their code where it happened."""
    place = name
    if isinstance(exc, SyntaxError):
        place = f"{exc.filename}, line {exc.lineno}"
    else:
        for frame in reversed(traceback.extract_tb(exc.__traceback__)):
            if _is_theirs(frame.filename):
                place = f"{frame.filename}, line {frame.lineno}"
                break
    if isinstance(exc, AnswerableError):
        return UsageError(f"{place}: {exc.what}", next_step=exc.next_step)
    text = exc.msg if isinstance(exc, SyntaxError) else str(exc)
    said = f"{type(exc).__name__}: {text}" if text else type(exc).__name__
    step = "mend that line; the module must load by itself"
    if isinstance(exc, ModuleNotFoundError):
        step = "install that package, or correct the import"
    return UsageError(f"{place}: {said}", next_step=_meant(exc) or step)


def _meant(exc: BaseException) -> str | None:
    """Return what a misspelt argument of one of our own calls was meant to be."""
    told = _UNEXPECTED.search(str(exc)) if isinstance(exc, TypeError) else None
    known = told and getattr(importlib.import_module("answerable"), told[1], None)
    if told is None or not callable(known):
        return None
    return did_you_mean(told[2], (name for name in inspect.signature(known).parameters if name != "self"))


def _is_theirs(filename: str) -> bool:
    ours = str(Path(__file__).resolve().parents[1])
    installed = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return not filename.startswith("<") and not any(
        str(Path(filename).resolve()).startswith(folder) for folder in (ours, *installed)
    )
