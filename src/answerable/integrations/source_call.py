"""Sources over functions: any other system, behind one function that returns rows."""

import inspect
from collections.abc import Iterable, Mapping

from pydantic import BaseModel

from answerable.errors import Denied, UsageError
from answerable.failures.translate import fault_of
from answerable.governance.contract import failed
from answerable.governance.read import Fetched, Wanted
from answerable.governance.source import Called


class CallReader:
    """Calls the function of a source."""

    def fetch(self, wanted: Wanted) -> Fetched:
        """Return what the function gives; a Denied that it raises is the system's own word, and stands."""
        source, origin = wanted.source, wanted.source.origin
        assert isinstance(origin, Called)
        try:
            inspect.signature(origin.call).bind(**wanted.params)
        except TypeError as exc:
            raise UsageError(
                f"the source {source.name} cannot be read so: {exc}", next_step="give what its function takes"
            ) from None
        except ValueError:  # a builtin tells no signature
            pass
        try:
            given = origin.call(**wanted.params)
        except Denied:
            raise
        except Exception as exc:  # the boundary: user code; its text may hold anything
            fault = fault_of(exc)
            raise failed(source, f"its function raised {type(exc).__name__}", fault.category) from exc
        if (
            given is None
            or isinstance(given, str | bytes | Mapping | BaseModel)
            or not isinstance(given, Iterable)
        ):
            raise failed(source, f"its function returned a {type(given).__name__}, no rows", "garbled")
        return Fetched(rows=given, picked=False)

    def close(self) -> None:
        """Nothing is kept open."""
