"""Stored bytes are what they always were: golden vectors, and the columns that hold them."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from answerable import formats
from answerable.encoding import decode, encode, plain
from answerable.errors import InputError, TamperFound
from answerable.ledger.entry import HEADER, HEADER_NAMES, PARTS
from answerable.ledger.envelope import (
    AES256GCM_HKDF,
    CLEAR,
    DROPPED,
    ELSEWHERE,
    open_clear,
    part_digest,
    seal_clear,
    stand_in,
)
from answerable.ledger.leaf import leaf_data, make_entry, parse_leaf
from answerable.ledger.rows import COLUMNS, from_row, journal_ddl, to_row
from answerable.ledger.sqlite import library

VECTORS = Path(__file__).parent / "vectors"


class Colour(Enum):
    RED = "red"


class Ticket(BaseModel):
    number: str
    paid: Decimal
    tags: set[str]


NOTATION = {
    kind.__name__: kind
    for kind in (date, datetime, time, timedelta, timezone, Decimal, PurePosixPath, UUID, Colour, Ticket)
} | {"UTC": UTC}


def vectors(file: str, part: str = "vectors") -> list[Any]:
    """Return the vectors of a file as test parameters."""
    found = json.loads((VECTORS / file).read_text("utf-8"))[part]
    return [pytest.param(vector, id=vector["name"]) for vector in found]


def header_of(vector: dict[str, Any]) -> dict[str, Any]:
    """Return a header with the values of a vector; ids and digests stand there in hex."""
    kinds = dict(HEADER)
    given = {
        name: bytes.fromhex(value) if kinds[name] in ("id", "digest") else value
        for name, value in vector["header"].items()
    }
    return dict.fromkeys(HEADER_NAMES) | given


# -- encoder v1 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", vectors("encoder-v1.json"))
def test_encoder_v1_writes_what_it_always_wrote(vector: dict[str, str]) -> None:
    """The bytes of a value are frozen."""
    data = encode(eval(vector["python"], NOTATION))

    assert data.decode() == vector["text"]
    assert hashlib.sha256(data).hexdigest() == vector["sha256"]
    assert encode(decode(data)) == data


@pytest.mark.parametrize("vector", vectors("encoder-v1.json", "refused"))
def test_encoder_v1_refuses_with_the_path(vector: dict[str, str]) -> None:
    """What has no form is never written in another one; the error says where it stands."""
    with pytest.raises(InputError) as caught:
        encode(eval(vector["python"], NOTATION))

    assert caught.value.what.startswith(vector["path"] + ": ")
    assert vector["because"] in caught.value.what


def test_a_value_that_holds_itself_is_refused_in_few_words() -> None:
    """Endless nesting is an error with a readable path, not a crash."""
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(InputError, match="nested too deeply") as caught:
        encode(endless)

    assert len(caught.value.what) < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_survives_encoding(value: Any) -> None:
    """Any JSON value is read back as it was, and its bytes do not depend on the order of keys."""
    data = encode(value)

    assert repr(sort_keys(decode(data))) == repr(sort_keys(value))  # repr: -0.0 is not 0.0, 1 is not 1.0
    assert encode(decode(data)) == data
    assert encode(plain(value)) == data


def sort_keys(value: Any) -> Any:
    """Return `value` with the keys of every dict in order."""
    if isinstance(value, dict):
        return {key: sort_keys(value[key]) for key in sorted(value)}
    return [sort_keys(item) for item in value] if isinstance(value, list) else value


# -- envelope v1 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", vectors("envelope-v1.json"))
def test_envelope_v1_has_the_digest_it_always_had(vector: dict[str, str]) -> None:
    """The digest of a part is frozen, and a part that was dropped or moved keeps it."""
    assert part_digest(vector["part"], bytes.fromhex(vector["envelope"])).hex() == vector["digest"]


def test_envelope_v1_is_written_as_its_vectors() -> None:
    """Clear envelopes and stand-ins come out byte for byte; the codecs' numbers are frozen."""
    found = {v.id: bytes.fromhex(v.values[0]["envelope"]) for v in vectors("envelope-v1.json")}
    digest = part_digest("input", found["clear"])

    assert seal_clear('{"body":"é"}'.encode(), bytes(range(16))) == found["clear"]
    assert open_clear(found["clear"]) == '{"body":"é"}'.encode()
    assert open_clear(found["clear, empty"]) == b""
    assert stand_in(DROPPED, digest) == found["dropped"]
    assert stand_in(ELSEWHERE, digest) == found["elsewhere"]
    assert open_clear(found["aes256gcm-hkdf"]) is open_clear(found["dropped"]) is None
    assert (CLEAR, AES256GCM_HKDF, DROPPED, ELSEWHERE) == (0, 1, 2, 3)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes(64), id="too short"),
        pytest.param(b"\4" + bytes(100), id="unknown codec"),
        pytest.param(b"\2" + bytes(64 + 31), id="short digest"),
        pytest.param(b"\2" + b"\1" + bytes(63 + 32), id="salted stand-in"),
    ],
)
def test_what_is_no_envelope_is_tampered(broken: bytes) -> None:
    """Bytes that no version has written are not taken for a part."""
    with pytest.raises(TamperFound):
        part_digest("input", broken)


# -- leaf v1 -----------------------------------------------------------------------------------------


def test_leaf_v1_has_the_fields_it_always_had() -> None:
    """Names, types and order of the header are frozen; another field makes leaf v2."""
    fields = json.loads((VECTORS / "leaf-v1.json").read_text("utf-8"))["fields"]

    assert [list(field) for field in HEADER] == fields
    assert formats.LEAF == formats.ENVELOPE == 1


@pytest.mark.parametrize("vector", vectors("leaf-v1.json"))
def test_leaf_v1_writes_what_it_always_wrote(vector: dict[str, Any]) -> None:
    """The bytes and the hash of a leaf are frozen, and are read back."""
    header = header_of(vector)
    digests = {name: bytes.fromhex(digest) for name, digest in vector["digests"].items()}

    data = leaf_data(header, digests)

    assert data.hex() == vector["data"]
    assert hashlib.sha256(b"\0" + data).hexdigest() == vector["hash"]
    assert parse_leaf(data) == (header, digests)


def test_an_entry_is_hashed_over_its_envelopes() -> None:
    """`make_entry` commits to the parts as they are stored."""
    vector = next(v.values[0] for v in vectors("leaf-v1.json") if v.id == "one part")
    envelope = next(v.values[0] for v in vectors("envelope-v1.json") if v.id == "clear")
    digest = bytes.fromhex(vector["digests"]["text"])  # of a part named "input", moved under "text"

    entry = make_entry(header_of(vector), {"text": stand_in(DROPPED, digest)})

    assert digest.hex() == envelope["digest"]
    assert entry.leaf.hex() == vector["hash"]
    assert from_row(to_row(7, entry)).entry == entry


VALUES = {
    "id": st.binary(min_size=16, max_size=16),
    "digest": st.binary(min_size=32, max_size=32),
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False),
    "text": st.text(),
}
HEADERS = st.fixed_dictionaries({name: st.none() | VALUES[kind] for name, kind in HEADER}).map(
    lambda header: {name: header[name] for name in HEADER_NAMES}
)
DIGESTS = st.dictionaries(st.sampled_from(PARTS), VALUES["digest"])


@given(HEADERS, DIGESTS)
def test_a_leaf_is_read_back(header: dict[str, Any], digests: dict[str, bytes]) -> None:
    """Whatever the fields hold."""
    assert repr(parse_leaf(leaf_data(header, digests))) == repr((header, dict(sorted(digests.items()))))


@given(HEADERS, DIGESTS, st.data())
def test_another_leaf_is_another_entry(
    header: dict[str, Any], digests: dict[str, bytes], data: st.DataObject
) -> None:
    """One entry has one spelling: changed bytes are refused or say something else."""
    leaf = bytearray(leaf_data(header, digests))
    leaf[data.draw(st.integers(0, len(leaf) - 1))] ^= data.draw(st.integers(1, 255))

    try:
        found = parse_leaf(bytes(leaf))
    except TamperFound:
        return

    assert repr(found) != repr((header, dict(sorted(digests.items()))))


@given(HEADERS, DIGESTS, st.data())
def test_a_cut_leaf_is_refused(
    header: dict[str, Any], digests: dict[str, bytes], data: st.DataObject
) -> None:
    """So is one with something behind it."""
    leaf = leaf_data(header, digests)

    for wrong in (leaf[: data.draw(st.integers(0, len(leaf) - 1))], leaf + b"\0"):
        with pytest.raises(TamperFound):
            parse_leaf(wrong)


@pytest.mark.parametrize(
    ("field", "value"),
    [("at", 2**63), ("at", "1"), ("label", b"x"), ("label", "\ud800"), ("id", b"short"), ("confidence", "1")],
)
def test_a_value_of_another_type_has_no_leaf(field: str, value: Any) -> None:
    """Nothing is rounded, cut or guessed on the way into a hash."""
    with pytest.raises(TamperFound):
        leaf_data(dict.fromkeys(HEADER_NAMES) | {field: value}, {})


def test_a_digest_of_another_length_has_no_leaf() -> None:
    """Otherwise a cut leaf could be read as a whole one."""
    with pytest.raises(TamperFound):
        leaf_data(dict.fromkeys(HEADER_NAMES), {"input": bytes(31)})


# -- columns -----------------------------------------------------------------------------------------

SQLITE = {"id": "BLOB", "digest": "BLOB", "int": "INTEGER", "float": "REAL", "text": "TEXT"}
POSTGRES = {"id": "bytea", "digest": "bytea", "int": "bigint", "float": "double precision", "text": "text"}


def wanted_columns(types: dict[str, str]) -> list[tuple[str, str]]:
    """Return COLUMNS with the database's type of each."""
    kinds = {"idx": "int", **dict(HEADER), **dict.fromkeys(PARTS, "digest"), "leaf": "digest"}
    return [(name, types[kinds[name]]) for name in COLUMNS]


def test_sqlite_has_a_column_for_every_field() -> None:
    """The DDL file and the header agree in name, order and type."""
    connection = library().connect(":memory:")
    for statement in journal_ddl("sqlite"):
        connection.execute(statement)

    columns = connection.execute("SELECT name, type FROM pragma_table_info('entry') ORDER BY cid").fetchall()

    connection.close()
    assert columns == wanted_columns(SQLITE)


def test_postgresql_has_a_column_for_every_field(postgres_url: str) -> None:
    """The DDL file and the header agree in name, order and type."""
    with psycopg.connect(postgres_url) as connection:
        for statement in journal_ddl("postgres"):
            connection.execute(statement.encode())

        columns = connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_name = 'entry' ORDER BY ordinal_position"
        ).fetchall()

    assert columns == wanted_columns(POSTGRES)
