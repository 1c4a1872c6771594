"""The segment catalog: which sealed file holds which entries."""

from sqlalchemy import bindparam, select, update

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
# A file that was written anew, or is gone ("" and no bytes), in place of the one that stood here.
SWAP_SEGMENT = Statement(
    "swap_segment",
    lambda d: (
        update(segment)
        .where(segment.c.lo == bindparam("of_lo"), segment.c.sha256 == bindparam("was"))
        .values(path=bindparam("now_path"), sha256=bindparam("now_sha256"), bytes=bindparam("now_bytes"))
    ),
)
