"""A field is described by its type, in words of our own that stay the same."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import pydantic
import pytest
from pydantic import AfterValidator, BaseModel

import answerable as ans
from answerable.decisions.fields import Field, fields_of


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str
    postcode: str


def described(annotation: Any) -> Field:
    """Return the description of one field of this type."""
    return fields_of(pydantic.create_model("One", it=(annotation, ...)))[0]


@pytest.mark.parametrize(
    ("annotation", "kind", "values"),
    [
        (Literal["low", "high"], "class", ("low", "high")),
        (Literal["calm", "loud"] | None, "class", ("calm", "loud")),
        (Literal["a"] | Literal["b"], "class", ("a", "b")),
        (NewType("Level", Literal["low", "high"]), "class", ("low", "high")),  # type: ignore[valid-newtype]
        (Literal[Colour.RED], "class", ("red",)),
        (Colour, "class", ("red", "blue")),
        (bool, "flag", (False, True)),
        (int, "number", ()),
        (Decimal, "number", ()),
        (list[str], "set", ()),
        (set[int], "set", ()),
        (datetime, "time", ()),
        (date, "time", ()),
        (timedelta, "time", ()),
        (UUID, "key", ()),
        (str, "text", ()),
        (str | int, "text", ()),
        (Address, "record", ()),
        (Annotated[str, ans.Key], "key", ()),
    ],
)
def test_the_kind_and_values_of_a_field_come_from_its_type(
    annotation: Any, kind: str, values: tuple[Any, ...]
) -> None:
    """Nothing but the type says what a field is."""
    field = described(annotation)

    assert (field.kind, field.values) == (kind, values)


def test_a_mark_counts_wherever_it_stands_in_the_type() -> None:
    """A person's data is classified too where the field may be missing or is a list."""

    class Ticket(BaseModel):
        customer: Annotated[str, ans.Subject] | None
        emails: list[Annotated[str, ans.Personal("email")]]
        body: Annotated[str, ans.Personal.free_text]

    classes = {f.path: f.classes for f in fields_of(Ticket)}

    assert classes == {
        "customer": ("Subject",),
        "emails": ("Personal:email",),
        "body": ("Personal:free-text",),
    }


def test_personal_without_a_kind_is_refused() -> None:
    """A forgotten kind must not leave a field unclassified."""
    with pytest.raises(ans.UsageError, match="marked Personal without a kind"):
        described(Annotated[str, ans.Personal])


def test_nested_models_are_described_under_their_path() -> None:
    """A record lists its fields."""

    class Order(BaseModel):
        address: Address

    assert [f.path for f in fields_of(Order)[0].fields] == ["address.street", "address.postcode"]


class Node(BaseModel):
    label: str
    next: Node | None = None


def test_a_model_within_itself_ends() -> None:
    """A recursive model is named once, not for ever."""
    label, following = fields_of(Node)

    assert label.path == "label"
    assert (following.kind, following.fields) == ("record", ())


def test_classify_marks_a_model_one_may_not_edit() -> None:
    """The marks are those that `Annotated` would have put."""
    model = pydantic.create_model("Foreign", email=(str, ...), number=(str, ...))

    ans.classify(model, {"email": ans.Personal("email"), "number": (ans.Key, ans.Subject)})

    assert {f.path: f.classes for f in fields_of(model)} == {
        "email": ("Personal:email",),
        "number": ("Key", "Subject"),
    }


def test_classify_names_an_unknown_field() -> None:
    """A mistyped field would otherwise stay unclassified in silence."""
    model = pydantic.create_model("Foreign", email=(str, ...))
    ans.classify(model, {"emial": ans.Personal("email")})

    with pytest.raises(ans.UsageError, match=r"'emial'.*\n.*did you mean 'email'"):
        fields_of(model)


def positive(value: int) -> int:
    """Refuse 0 and below."""
    if value <= 0:
        raise ValueError("must be positive")
    return value


def test_constraints_are_described_without_an_address_of_this_process() -> None:
    """The description, and with it the definition's digest, is the same in every process."""

    class Order(BaseModel):
        name: Annotated[str, pydantic.Field(min_length=1, max_length=9, pattern="[a-z]+")]
        amount: Annotated[int, pydantic.Field(ge=1, lt=100), AfterValidator(positive), "a remark"]

    name, amount = (f.constraints for f in fields_of(Order))

    assert name == ("max_length=9", "min_length=1", "pattern='[a-z]+'")
    assert amount[1:] == ("ge=1", "lt=100")
    assert amount[0].startswith("AfterValidator:positive:")
    assert "0x" not in amount[0]
