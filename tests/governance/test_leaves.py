"""A walk over a typed value finds every scalar, its classes and whose it is, whatever type it stands in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple, NewType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AliasChoices, BaseModel, Field, RootModel, computed_field, field_serializer
from typing_extensions import TypedDict

import answerable as ans
from answerable.encoding import plain
from answerable.governance.leaves import GONE, Leaf, subjects_of, walk

Email = Annotated[str, ans.Personal("email")]


def leaves(value: BaseModel) -> dict[str, Leaf]:
    """Return the leaves of a value by path, the last one where several share it."""
    found: dict[str, Leaf] = {}

    def visit(leaf: Leaf) -> Any:
        found[leaf.path] = leaf
        return leaf.value

    assert walk(value, plain(value), visit) == plain(value)
    return found


def words(value: BaseModel) -> dict[str, set[str]]:
    """Return the classes of each leaf by path."""
    return {path: {c.word for c in leaf.classes} for path, leaf in leaves(value).items() if leaf.classes}


class Person(BaseModel):
    id: Annotated[str, ans.Subject]
    name: Annotated[str, ans.Personal("name")]
    note: str = ""


class Firm(BaseModel):
    kind: Literal["firm"] = "firm"
    phone: Annotated[str, ans.Personal("phone")]


class Human(BaseModel):
    kind: Literal["human"] = "human"
    phone: str
    friends: list[Human] = []


def one(annotation: Any, given: Any) -> BaseModel:
    """Return a model with one field `it` of this type."""
    import pydantic

    return pydantic.create_model("One", it=(annotation, ...)).model_validate({"it": given})


@pytest.mark.parametrize(
    ("annotation", "given", "path"),
    [
        (Email, "a@b.c", "it"),
        (Email | None, "a@b.c", "it"),
        (Annotated[str | None, ans.Personal("email")], "a@b.c", "it"),
        (Email | int, "a@b.c", "it"),
        (list[Email], ["a@b.c"], "it[]"),
        (Annotated[list[str], ans.Personal("email")], ["a@b.c"], "it[]"),
        (list[list[Email]], [["a@b.c"]], "it[][]"),
        (tuple[int, Email], (1, "a@b.c"), "it[]"),
        (set[Email], {"a@b.c"}, "it[]"),
        (dict[str, Email], {"x": "a@b.c"}, "it{}"),
        (dict[Email, int], {"a@b.c": 1}, "it{key}"),
        (Mapping[str, list[Email]], {"x": ["a@b.c"]}, "it{}[]"),
        (NewType("Address", Email), "a@b.c", "it"),  # type: ignore[valid-newtype]
        (Annotated[Email, Field(max_length=9)], "a@b.c", "it"),
        (Annotated[str, Field(max_length=9), ans.Personal("email")], "a@b.c", "it"),
    ],
)
def test_a_class_is_found_wherever_it_stands(annotation: Any, given: Any, path: str) -> None:
    """On the field, on a part of its type, in an option, a list, a map or behind an alias."""
    assert words(one(annotation, given))[path] == {"Personal:email"}


class Row(TypedDict):
    mail: Email
    city: str


class Pair(NamedTuple):
    city: str
    mail: Email


class Both(BaseModel):
    row: Row
    pair: Pair


def test_typed_dicts_and_named_tuples_say_it_too() -> None:
    """What pydantic takes as a record is one here."""
    found = words(Both(row={"mail": "a@b.c", "city": "Rome"}, pair=Pair("Rome", "a@b.c")))

    assert found["row.mail"] == {"Personal:email"} and "row.city" not in found
    assert found["pair[]"] == {"Personal:email"}


def test_a_union_is_read_by_what_stands_there() -> None:
    """Two models of a discriminated union may classify the same name differently."""

    class Both(BaseModel):
        who: list[Annotated[Firm | Human, Field(discriminator="kind")]]

    firm = words(Both(who=[{"kind": "firm", "phone": "1"}]))
    human = words(Both(who=[{"kind": "human", "phone": "1"}]))

    assert firm == {"who[].phone": {"Personal:phone"}}
    assert human == {}


def test_a_model_within_itself_is_followed_to_the_end() -> None:
    """Depth costs no class."""

    class Node(BaseModel):
        mail: Email
        next: Node | None = None

    Node.model_rebuild(_types_namespace={"Node": Node})
    found = words(Node(mail="a", next=Node(mail="b", next=Node(mail="c"))))

    assert set(found) == {"mail", "next.mail", "next.next.mail"}


def test_names_are_the_fields_own_whatever_the_alias() -> None:
    """Records hold field names, so paths do."""

    class Aliased(BaseModel):
        mail: Email = Field(validation_alias=AliasChoices("e-mail", "email"), serialization_alias="E")

    assert words(Aliased.model_validate({"email": "a@b.c"})) == {"mail": {"Personal:email"}}


def test_a_root_model_is_its_root() -> None:
    """It adds no name of its own."""

    class Mails(RootModel[list[Email]]):
        pass

    class Holder(BaseModel):
        mails: Mails

    Holder.model_rebuild(_types_namespace={"Mails": Mails})

    assert words(Holder(mails=Mails(["a@b.c"]))) == {"mails[]": {"Personal:email"}}


def test_what_is_computed_or_serialised_keeps_its_class() -> None:
    """The data drives the walk: a field that is written in another form is still that field."""

    class Made(BaseModel):
        mail: Email

        @computed_field
        def upper(self) -> Annotated[str, ans.Personal("email")]:
            return self.mail.upper()

        @field_serializer("mail")
        def split(self, value: str) -> list[str]:
            return value.split("@")

    assert words(Made(mail="a@b.c")) == {"mail[]": {"Personal:email"}, "upper": {"Personal:email"}}


def test_what_encloses_speaks_for_what_says_nothing() -> None:
    """A class on a record holds for its fields; one that is public itself stays so."""

    class Inner(BaseModel):
        street: str
        country: Annotated[str, ans.Public]

    class Outer(BaseModel):
        home: Annotated[Inner, ans.Sensitive("address")]

    found = words(Outer(home=Inner(street="Elm 1", country="IT")))

    assert found == {"home.street": {"Sensitive:address"}, "home.country": {"Public"}}


def test_classify_marks_models_that_one_may_not_edit() -> None:
    """Also after the first walk."""

    class Foreign(BaseModel):
        mail: str

    assert words(Foreign(mail="a")) == {}
    ans.classify(Foreign, {"mail": ans.Personal("email", retention="short")})
    assert words(Foreign(mail="a")) == {"mail": {"Personal:email@short"}}


def test_a_value_belongs_to_its_nearest_subject() -> None:
    """A record within a record has its own person; what names nobody belongs to who encloses it."""

    class Thread(BaseModel):
        customer: Annotated[str, ans.Subject]
        people: list[Person]
        remarks: list[Firm]

    value = Thread(
        customer="c-1",
        people=[Person(id="p-1", name="Ann", note="n"), Person(id="p-2", name="Bob")],
        remarks=[Firm(phone="1")],
    )
    about: dict[str, list[tuple[str, ...]]] = {}

    def visit(leaf: Leaf) -> Any:
        about.setdefault(leaf.path, []).append(leaf.subjects)
        return leaf.value

    walk(value, plain(value), visit)

    assert about["people[].note"] == [("p-1",), ("p-2",)]
    assert about["remarks[].phone"] == about["customer"] == [("c-1",)]
    assert subjects_of(value, plain(value)) == ("c-1", "p-1", "p-2")


@pytest.mark.parametrize(
    ("annotation", "given", "people"),
    [
        (Annotated[list[str], ans.Subject], ["a", "b", "a"], ("a", "b")),
        (Annotated[int, ans.Subject], 7, ("7",)),
        (Annotated[str | None, ans.Subject], None, ()),
        (Annotated[str, ans.Subject], "", ()),
    ],
)
def test_a_record_may_be_about_several_or_nobody(
    annotation: Any, given: Any, people: tuple[str, ...]
) -> None:
    """Ids are text; an empty one is nobody."""
    value = one(annotation, given)

    assert subjects_of(value, plain(value)) == people


def test_a_visitor_changes_and_leaves_out() -> None:
    """What it returns stands in the place of the leaf."""
    value = Person(id="1", name="Ann", note="x")

    told = walk(value, plain(value), lambda leaf: GONE if leaf.path == "name" else f"<{leaf.value}>")

    assert told == {"id": "<1>", "note": "<x>"}


def test_keys_that_become_one_lose_no_value() -> None:
    """Two keys of a map may get the same pseudonym."""
    value = one(dict[str, int], {"a": 1, "b": 2})

    told = walk(value, plain(value), lambda leaf: "same" if leaf.path.endswith("{key}") else leaf.value)

    assert sorted(told["it"].values()) == [1, 2]


@pytest.mark.parametrize(
    ("annotation", "given", "form"),
    [
        (str, "x", "text"),
        (Literal["x"], "x", "closed"),
        (bool, True, "closed"),
        (date, "2026-01-01", "time"),
        (int, 3, "other"),
        (Literal["x"] | str, "y", "text"),
        (Any, "y", "text"),
    ],
)
def test_a_leaf_says_what_form_it_has(annotation: Any, given: Any, form: str) -> None:
    """Only text can hold anything."""
    assert leaves(one(annotation, given))["it"].form == form


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_untyped_data_is_walked_whole(data: Any) -> None:
    """Every scalar of a field of any type is visited, and nothing is changed by looking."""
    value = one(Any, data)
    seen: list[Any] = []

    def visit(leaf: Leaf) -> Any:
        seen.append(leaf.value)
        return leaf.value

    assert walk(value, plain(value), visit) == plain(value)
    assert len(seen) == _scalars(plain(value))


def _scalars(data: Any) -> int:
    """Count the scalars below a record: keys of maps too, but for the record's own."""
    if isinstance(data, dict) and set(data) == {"it"}:
        return _inner(data["it"])
    return _inner(data)


def _inner(data: Any) -> int:
    if isinstance(data, dict):
        return len(data) + sum(map(_inner, data.values()))
    return sum(map(_inner, data)) if isinstance(data, list) else 1
