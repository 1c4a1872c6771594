"""The segment catalog: which sealed file holds which entries."""

from sqlalchemy import bindparam, select

from answerable.ledger.entry import Statement
from answerable.state.statements import insert
from answerable.state.tables import segment

COLUMNS = tuple(column.name for column in segment.columns)

ADD_SEGMENT = Statement("add_segment", lambda d: insert(d, segment))
SEGMENTS = Statement("segments", lambda d: select(segment).order_by(segment.c.lo))
SEGMENTS_OF_ID = Statement(
    "segments_of_id",
    lambda d: (
        select(segment)
        .where(segment.c.id_lo <= bindparam("id"), segment.c.id_hi >= bindparam("id"))
        .order_by(segment.c.lo.desc())
    ),
)
SEGMENTS_OF_TIME = Statement(
    "segments_of_time",
    lambda d: (
        select(segment)
        .where(segment.c.at_hi >= bindparam("since"), segment.c.at_lo < bindparam("until"))
        .order_by(segment.c.lo.desc())
    ),
)
