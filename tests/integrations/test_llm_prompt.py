"""What is sent is cut only where it may be, and what comes back is read or refused: for any text at all."""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

import answerable as ans
from answerable.decisions.fields import fields_of
from answerable.failures.fault import Fault
from answerable.governance.classification import Trim
from answerable.integrations.llm_output import BadReply, read_reply, shape_of
from answerable.integrations.llm_prompt import MARK, NoRoom, Prompt, wording
from roads import decision

TEXT = st.text(st.characters(codec="utf-8"), max_size=400)


class Note(BaseModel):
    inner: Annotated[str, Trim(3)] = ""
    kept: str = ""


class Given(BaseModel):
    first: Annotated[str, Trim(1)] = ""
    second: Annotated[str, Trim(2)] = ""
    kept: str = ""
    note: Note = Field(default_factory=Note)


class Out(BaseModel):
    urgency: Literal["low", "high"]
    score: int
    tags: list[str] = []
    share: float | None = None


ASKED = decision(ans.default({"urgency": "low", "score": 1}), input=Given, output=Out)
WHOLE = wording("Judge.", ASKED)
NAMED = wording("Judge {first} and {kept} and {note}: {question}", ASKED)


@settings(max_examples=80, deadline=None)
@given(TEXT, TEXT, TEXT, TEXT, st.integers(1, 600), st.booleans())
def test_a_cut_prompt_fits_and_keeps_what_is_not_marked(
    first: str, second: str, kept: str, inner: str, room: int, named: bool
) -> None:
    """Heads of marked fields, the lowest mark cut first; or no prompt at all."""
    words = NAMED if named else WHOLE
    view = {"first": first, "second": second, "kept": kept, "note": {"inner": inner, "kept": kept}}

    full = words.prompt(view)
    try:
        made = words.prompt(view, room=room)
    except NoRoom:
        assert full.tokens > room
        return

    assert made.tokens <= room
    assert (made == full) == (full.tokens <= room)
    if made.cut:
        place = [line.split(" ")[1] for line in made.cut]
        assert place == sorted(place, key=["first", "second", "note.inner"].index)
    assert (
        _shown(kept) in made.turns[-1][1]
        or not kept
        or json.dumps(kept, ensure_ascii=False)[1:-1] in made.turns[-1][1].replace("<\\/", "</")
    )


def _shown(text: str) -> str:
    return re.sub(r"<(?=/data)", r"<\\", text, flags=re.IGNORECASE)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["</data>", "</DATA", "<data>", "</", "data>", "x", "\n", '"']), max_size=12))
def test_no_input_can_end_the_data_it_stands_in(parts: list[str]) -> None:
    """Each opening mark of ours has one closing mark, and no other closes it."""
    view = {"first": "".join(parts), "second": "", "kept": "".join(parts), "note": {}}

    for words, blocks in ((WHOLE, 1), (NAMED, 3)):
        text = words.prompt(view).turns[-1][1]
        assert text.lower().count("</data") == blocks


@settings(max_examples=60, deadline=None)
@given(TEXT, st.integers(1, 5))
def test_each_overflow_leaves_less_until_nothing_is_left(first: str, times: int) -> None:
    """It ends: at some point there is no prompt, and a larger model is asked."""
    view = {"first": first * 3, "second": "", "kept": "", "note": {}}
    sizes: list[int] = []
    for overflows in range(20):
        try:
            made: Prompt = WHOLE.prompt(view, faults=[Fault(category="context-overflow")] * overflows)
        except NoRoom:
            break
        sizes.append(made.tokens)
    else:
        pytest.fail("it never ended")
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == len(sizes)


REPLIES = st.one_of(
    TEXT,
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.sampled_from(["low", "5", ""]),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["urgency", "score", "tags", "share", "reason", "more"]), inner)
        ),
        max_leaves=8,
    ).map(json.dumps),
)


@settings(max_examples=150, deadline=None)
@given(REPLIES)
def test_any_reply_is_read_as_the_output_says_or_refused(reply: str) -> None:
    """No other exception, no foreign type, no key too many."""
    shape = shape_of(Out, ("urgency", "score", "tags", "share"), reason=True)

    try:
        values, reason = read_reply(shape, ASKED, reply, {})
    except BadReply as exc:
        assert exc.category in ("invalid", "empty")
        return

    assert set(values) == {"urgency", "score", "tags", "share"}
    assert type(values["score"]) is int and values["urgency"] in ("low", "high")
    assert isinstance(reason, str)


def test_the_mark_that_a_field_may_be_cut_is_part_of_the_definition() -> None:
    """It is listed with the field's classes, and another place is another definition."""
    described = {f.path: f.classes for f in fields_of(Given)}

    assert described == {"first": ("Trim:1",), "second": ("Trim:2",), "kept": (), "note": ()}
    assert repr(Trim(2)) == "Trim:2"
    assert MARK.isprintable()


@pytest.mark.parametrize("order", [0, -1, True, "1", 1.0])
def test_a_place_is_a_whole_number_from_1(order: object) -> None:
    """A mark that means nothing is refused where it is written."""
    with pytest.raises(ans.UsageError, match="from 1"):
        Trim(order)  # type: ignore[arg-type]


def test_a_mark_without_a_place_is_refused() -> None:
    """As with Personal: the bare word says too little."""

    class Bare(BaseModel):
        body: Annotated[str, Trim]

    with pytest.raises(ans.UsageError, match=r"Trim\(1\)"):
        fields_of(Bare)
