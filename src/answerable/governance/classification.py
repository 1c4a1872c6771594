"""What a field is to the world and to the person it is about: marks, put on types with `Annotated`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel

from answerable.errors import UsageError


@dataclass(frozen=True, slots=True)
class Mark:
    """A word put on a field with `Annotated`: it says what the field means to the outside world."""

    word: str

    def __repr__(self) -> str:
        return self.word


Key = Mark("Key")  # the outside world knows a case by this field (several fields together form one key)
Subject = Mark("Subject")  # the person the record is about: the erasure key of what stands beside it
Public = Mark("Public")  # never personal: shown to everybody as it is, and not scanned


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Trim(Mark):
    """Marks an input text that may be cut where a case is too large for a model: `Annotated[str, Trim(1)]`.

    order: from 1; the lowest is cut first. A field without the mark is never cut. Raises UsageError for
    anything but a whole number of 1 or more.
    """

    def __init__(self, order: int) -> None:
        if isinstance(order, bool) or not isinstance(order, int) or order < 1:
            raise UsageError(f"Trim got {order!r}", next_step="give its place, from 1: cut first")
        object.__setattr__(self, "word", f"Trim:{order}")


@dataclass(frozen=True, slots=True)
class Personal:
    """Classifies a field as personal data of one kind, such as Personal("email").

    retention: the retention class of its values, where it differs from the decision's.
    """

    kind: str
    retention: str | None = None
    free_text: ClassVar["Personal"]
    name: ClassVar[str] = "Personal"

    def __post_init__(self) -> None:
        for what, text in (("kind", self.kind), ("retention class", self.retention or "standard")):
            if not isinstance(text, str) or not text.replace("-", "").replace("_", "").isalnum():
                raise UsageError(
                    f"{self.name} got the {what} {text!r}", next_step='use one word, such as "email"'
                )

    @property
    def word(self) -> str:
        """The class as the definition records it."""
        told = f"{self.name}:{self.kind}"
        return told if self.retention is None else f"{told}@{self.retention}"


Personal.free_text = Personal("free-text")  # text that may hold anything: it is scanned


@dataclass(frozen=True, slots=True)
class Sensitive(Personal):
    """Personal data that needs a clearance of its own, such as Sensitive("health") (GDPR, article 9)."""

    name: ClassVar[str] = "Sensitive"


_NONE: Mapping[str, tuple[Mark | Personal, ...]] = {}
_classified: dict[type[BaseModel], Mapping[str, tuple[Mark | Personal, ...]]] = {}


def classify(
    model: type[BaseModel], classes: Mapping[str, Mark | Personal | tuple[Mark | Personal, ...]]
) -> type[BaseModel]:
    """Mark fields of a `model` one may not edit, as `Annotated` would; return the same model.

    The marks hold wherever the model is used in this process.

    classes: field name -> one mark or several. Unknown names raise UsageError when a Decision uses it.
    """
    _classified[model] = {n: c if isinstance(c, tuple) else (c,) for n, c in classes.items()}
    return model


def classified(model: type[BaseModel]) -> Mapping[str, tuple[Mark | Personal, ...]]:
    """Return the marks that `classify` put on a model: field name -> marks."""
    return _classified.get(model, _NONE)
