"""The Merkle tree behind the ledger: roots, proofs and their checks, as pure functions of SHA-256 hashes.

The tree is the one of RFC 6962 section 2.1. A *perfect subtree* of level L covers the leaves
[n << L, (n + 1) << L). Every tree is a row of perfect subtrees of falling size, one per 1-bit of its leaf
count; their hashes (the *peaks*) are all that is needed to append and to give the root.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence

from answerable.errors import InputError, UsageError

HASH = 32  # bytes in a hash
TILE_LEVEL = 8
TILE = 1 << TILE_LEVEL  # leaves in a full tile, as in C2SP tlog-tiles
MAX_SIZE = 1 << 64  # sizes are unsigned 64-bit numbers on the wire
MAX_PROOF = 65  # hashes in the longest proof of a tree of that size

Subtree = Callable[[int, int], bytes]  # (level, n) -> hash of the perfect subtree n of that level

_sha256 = hashlib.sha256
EMPTY_ROOT = _sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return the 32-byte hash of one leaf: SHA-256(0x00 || data). Source: RFC 6962 section 2.1."""
    return _sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the 32-byte hash of a node over its two children: SHA-256(0x01 || left || right)."""
    return _sha256(b"\x01" + left + right).digest()


def root(hashes: Iterable[bytes]) -> bytes:
    """Return the root over leaf `hashes` (32 bytes each) in order; `EMPTY_ROOT` for none."""
    frontier = Frontier()
    frontier.extend(hashes)
    return frontier.root()


class Frontier:
    """The right edge of a growing tree: its size and the peaks, at most 64 hashes.

    Not safe for use from two threads at once. Make one with no arguments (the empty tree) or `from_bytes`.
    """

    __slots__ = ("_peaks", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._peaks: list[bytes] = []  # largest subtree first

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._size

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """The hashes of the perfect subtrees, largest first; as many as `size` has 1-bits."""
        return tuple(self._peaks)

    def append(self, leaf: bytes) -> None:
        """Add one leaf by its 32-byte hash. Raises UsageError on another length."""
        if len(leaf) != HASH:
            raise _not_a_hash(leaf)
        carry = self._size
        peaks = self._peaks
        while carry & 1:
            leaf = _sha256(b"\x01" + peaks.pop() + leaf).digest()
            carry >>= 1
        peaks.append(leaf)
        self._size += 1

    def extend(self, hashes: Iterable[bytes]) -> None:
        """Add leaves by their 32-byte `hashes`, in order; none is added if one has another length.

        Works level by level over the whole batch, which costs half of one `append` after the other.
        Raises UsageError.
        """
        nodes = list(hashes)
        if set(map(len, nodes)) - {HASH}:
            raise _not_a_hash(next(node for node in nodes if len(node) != HASH))
        if len(nodes) < 8:  # too few to gain from levels
            for leaf in nodes:
                self.append(leaf)
            return
        carry = self._size
        self._size += len(nodes)
        new: list[bytes] = []  # smallest subtree first
        while nodes:
            if carry & 1:
                nodes.insert(0, self._peaks.pop())
            if len(nodes) & 1:
                new.append(nodes.pop())
            nodes = _pairs(nodes)
            carry >>= 1
        self._peaks.extend(reversed(new))

    def root(self) -> bytes:
        """Return the 32-byte root of the tree; `EMPTY_ROOT` when it has no leaves."""
        if not self._peaks:
            return EMPTY_ROOT
        node = self._peaks[-1]
        for peak in self._peaks[-2::-1]:
            node = node_hash(peak, node)
        return node

    def to_bytes(self) -> bytes:
        """Return the peaks as one string, 32 bytes each, largest subtree first. The size is kept apart."""
        return b"".join(self._peaks)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> "Frontier":
        """Return the frontier of `size` leaves whose `to_bytes` was `data`.

        Raises InputError if `size` is not in [0, 2**64) or `data` is not 32 bytes per 1-bit of `size`.
        Only the length is checked: compare `root()` with a signed root before trusting it.
        """
        if not 0 <= size < MAX_SIZE:
            raise InputError(f"a tree cannot have {size} leaves", next_step="give a size from 0 to 2**64 - 1")
        expected = size.bit_count() * HASH
        if len(data) != expected:
            raise InputError(
                f"the frontier of {size} leaves is {expected} bytes, but {len(data)} bytes were stored",
                next_step="run `answerable ledger verify`; restore the journal from a backup if it fails",
            )
        frontier = cls()
        frontier._size = size
        frontier._peaks = [data[at : at + HASH] for at in range(0, expected, HASH)]
        return frontier


def tile_roots(leaf_hashes: Sequence[bytes]) -> list[bytes]:
    """Return the root of each full block of 256 leaves, in order: the level-1 hashes of tlog-tiles.

    leaf_hashes: (256 * k,) hashes of 32 bytes, the first at an index that is a multiple of 256.
    Raises UsageError if the length is not a multiple of 256.
    """
    if len(leaf_hashes) % TILE:
        raise UsageError(
            f"{len(leaf_hashes)} leaves do not fill blocks of {TILE}",
            next_step=f"pass a multiple of {TILE} leaf hashes and keep the rest for the next seal",
        )
    nodes = list(leaf_hashes)
    for _ in range(TILE_LEVEL):
        nodes = _pairs(nodes)
    return nodes


def subtrees(leaf: Callable[[int], bytes], tile: Callable[[int], bytes | None]) -> Subtree:
    """Return the `subtree` argument of the proofs, built from what a ledger stores.

    leaf: index -> hash of that leaf. tile: n -> stored root of the full block of leaves
    [256 * n, 256 * (n + 1)), or None where none is stored yet; then its leaves are read.
    Reads only inside the subtrees it is asked for. Hashes of full blocks and above are kept for the life of
    the result (two per block); they never change, so one result serves every size of the same log.
    """
    known: dict[tuple[int, int], bytes] = {}

    def from_leaves(level: int, n: int) -> bytes:
        nodes = [leaf(index) for index in range(n << level, (n + 1) << level)]
        for _ in range(level):
            nodes = _pairs(nodes)
        return nodes[0]

    def subtree(level: int, n: int) -> bytes:
        if level < TILE_LEVEL:
            return from_leaves(level, n)
        found = known.get((level, n))
        if found is None:
            if level == TILE_LEVEL:
                found = tile(n) or from_leaves(level, n)
            else:
                left, right = subtree(level - 1, 2 * n), subtree(level - 1, 2 * n + 1)
                found = _sha256(b"\x01" + left + right).digest()
            known[level, n] = found
        return found

    return subtree


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree of `size` leaves, from its sibling up to the root.

    subtree: (level, n) -> hash of the perfect subtree over leaves [n << level, (n + 1) << level); only
    asked inside `size`. Raises UsageError unless 0 <= index < size. Source: RFC 6962 section 2.1.1.
    """
    if not 0 <= index < size < MAX_SIZE:
        raise UsageError(
            f"leaf {index} is not in a tree of {size} leaves",
            next_step="take a checkpoint whose size is larger than the index",
        )
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_root(middle, end, subtree))
            end = middle
        else:
            path.append(_range_root(start, middle, subtree))
            start = middle
    path.reverse()
    return path


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """Return the proof that the tree of `old` leaves is a prefix of the tree of `new` leaves.

    Empty if `old` is 0 or equals `new`. subtree: as for `inclusion_proof`, asked inside `new`.
    Raises UsageError unless 0 <= old <= new. Source: RFC 6962 section 2.1.2.
    """
    if not 0 <= old <= new < MAX_SIZE:
        raise UsageError(
            f"a tree of {new} leaves cannot extend one of {old}",
            next_step="pass the smaller size first; a log that shrank was tampered with",
        )
    path: list[bytes] = []
    start, end = 0, new
    while old and end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_root(middle, end, subtree))
            end = middle
        else:
            path.append(_range_root(start, middle, subtree))
            start = middle
    if start:  # the old tree's last subtree is not its whole root, which the checker would know
        path.append(_range_root(start, end, subtree))
    path.reverse()
    return path


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Say whether `proof` shows that `leaf` (its hash) stands at `index` in the tree of `size` with `root`.

    Never raises: whatever is not a well-formed proof is False. Source: RFC 9162 section 2.1.3.2.
    """
    if not (_are_sizes(index, size) and _are_hashes(proof, leaf, root)) or index >= size:
        return False
    at, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        at >>= 1
        last >>= 1
    return last == 0 and node == root


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Say whether `proof` shows that the tree (`new`, `new_root`) extends the tree (`old`, `old_root`).

    Every tree extends the empty one; equal sizes need equal roots; both take an empty proof.
    Never raises: whatever is not a well-formed proof is False. Source: RFC 9162 section 2.1.4.2.
    """
    if not (_are_sizes(old, new) and _are_hashes(proof, old_root, new_root)) or old > new:
        return False
    if old == 0 and old_root != EMPTY_ROOT:
        return False
    if old in (0, new):
        return not proof and (old < new or old_root == new_root)
    at, last = old - 1, new - 1
    while at & 1:
        at >>= 1
        last >>= 1
    # A power of two is one perfect subtree: its root starts the proof and is not repeated in it.
    nodes = list(proof) if old & (old - 1) else [old_root, *proof]
    if len(nodes) < 2:
        return False
    old_node = new_node = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old_node = node_hash(node, old_node)
            new_node = node_hash(node, new_node)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            new_node = node_hash(new_node, node)
        at >>= 1
        last >>= 1
    return last == 0 and old_node == old_root and new_node == new_root


def _pairs(nodes: list[bytes]) -> list[bytes]:
    """Return the parents of an even number of neighbours; a commit and a seal spend their time here."""
    rest = iter(nodes)
    return [_sha256(b"\x01" + left + right).digest() for left, right in zip(rest, rest, strict=True)]


def _split(count: int) -> int:
    """Return the largest power of two below `count` (> 1): how many leaves the left child has."""
    return 1 << ((count - 1).bit_length() - 1)


def _range_root(start: int, end: int, subtree: Subtree) -> bytes:
    """Return the root over leaves [start, end) of one node of the tree, from perfect subtrees only."""
    node = b""
    while start < end:  # from the right, smallest first
        level = ((end - start) & (start - end)).bit_length() - 1  # of the lowest 1-bit of the count
        end -= 1 << level
        peak = subtree(level, end >> level)
        node = node_hash(peak, node) if node else peak
    return node


def _are_sizes(*numbers: object) -> bool:
    return all(isinstance(number, int) and 0 <= number < MAX_SIZE for number in numbers)


def _are_hashes(proof: object, *hashes: object) -> bool:
    if not isinstance(proof, list | tuple) or len(proof) > MAX_PROOF:
        return False
    return all(isinstance(node, bytes) and len(node) == HASH for node in (*proof, *hashes))


def _not_a_hash(value: bytes) -> UsageError:
    what = f"a leaf hash is {HASH} bytes, not {len(value)}"
    return UsageError(what, next_step="pass leaf_hash(data), not the data")
