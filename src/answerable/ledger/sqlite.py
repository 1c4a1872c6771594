"""The one SQLite library of this process: the fresh one where there is a wheel, else the standard library's.

Opening one file through two SQLite libraries in a process drops its locks, so everything goes through here.
"""

import sqlite3 as _standard
from importlib import import_module
from types import ModuleType
from typing import Any

WAL_RESET_FIXED = (3, 51, 3)  # earlier ones can corrupt a WAL when two connections checkpoint


def library() -> ModuleType:
    """Return the DB-API module."""
    try:
        return import_module("pysqlite3.dbapi2")
    except ImportError:
        return _standard


def version() -> tuple[int, ...]:
    """Return the version of the SQLite library in use."""
    numbers: Any = library().sqlite_version_info
    return tuple(numbers)
