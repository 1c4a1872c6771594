"""What may be done to an entry that stands in the journal: a part makes room for its stand-in."""

from sqlalchemy import BigInteger, LargeBinary, bindparam, column, table, update

from answerable.ledger.entry import PARTS, Statement

# The table is made by the journal's own DDL; only these columns are ever touched here.
_ENTRY = table("entry", column("idx", BigInteger), *[column(name, LargeBinary) for name in PARTS])


def _replacing(name: str) -> Statement:
    return Statement(
        f"replace_{name}",
        lambda d: (
            update(_ENTRY).where(_ENTRY.c.idx == bindparam("of_idx")).values({name: bindparam("instead")})
        ),
    )


REPLACE_PART = {name: _replacing(name) for name in PARTS}
