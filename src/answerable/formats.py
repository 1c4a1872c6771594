"""The numbers of everything that is stored; each grows by itself.

State of an older number migrates by `answerable upgrade` only, a newer one is refused; leaves, envelopes
and segments of every older number stay readable for ever.
"""

HOME = 1
LEAF = 1
ENVELOPE = 1
SEGMENT = 1
STATE = 3
