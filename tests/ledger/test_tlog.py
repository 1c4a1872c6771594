"""The Merkle tree gives the published roots and proofs, and no false one verifies."""

import hashlib
import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tamperlog import merkle as other  # an independent implementation, from the package index

from answerable.errors import InputError, UsageError
from answerable.ledger import tlog

# The reference tree of Certificate Transparency: 8 leaves, its roots at each size, and its published proofs.
LEAVES = [bytes.fromhex(leaf) for leaf in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [bytes.fromhex(root) for root in (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)]  # fmt: skip
N01 = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
N03 = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
N23 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
N45 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
N47 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
N67 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
L0 = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
L1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
L4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
L6 = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"

HASHES = [tlog.leaf_hash(leaf) for leaf in LEAVES]


def leaves_of(seed: int, size: int) -> list[bytes]:
    return [tlog.leaf_hash(b"%d/%d" % (seed, index)) for index in range(size)]


def subtree_of(leaves: list[bytes]) -> tlog.Subtree:
    """Answers from the leaves alone, and fails when asked for more than they hold."""

    def subtree(level: int, n: int) -> bytes:
        assert (n + 1) << level <= len(leaves), f"asked for ({level}, {n}) of {len(leaves)} leaves"
        return tlog.root(leaves[n << level : (n + 1) << level])

    return subtree


def flipped(value: bytes, at: int) -> bytes:
    return value[:at] + bytes([value[at] ^ 0x01]) + value[at + 1 :]


@pytest.mark.parametrize("size", range(9))
def test_the_root_of_each_reference_tree_is_the_published_one(size: int) -> None:
    """RFC 6962 reference data: 0 to 8 leaves."""
    assert tlog.root(HASHES[:size]) == ROOTS[size]
    assert ROOTS[0] == tlog.EMPTY_ROOT


@pytest.mark.parametrize(("index", "size", "path"), [
    (0, 1, []),
    (0, 8, [L1, N23, N47]),
    (5, 8, [L4, N67, N03]),
    (2, 3, [N01]),
    (1, 5, [L0, N23, L4]),
])  # fmt: skip
def test_inclusion_proofs_are_the_published_ones(index: int, size: int, path: list[str]) -> None:
    """The audit paths of the reference tree come out hash by hash, and verify."""
    proof = tlog.inclusion_proof(index, size, subtree_of(HASHES[:size]))

    assert [node.hex() for node in proof] == path
    assert tlog.verify_inclusion(HASHES[index], index, size, proof, ROOTS[size])


@pytest.mark.parametrize(("old", "new", "path"), [
    (1, 1, []),
    (1, 8, [L1, N23, N47]),
    (6, 8, [N45, N67, N03]),
    (2, 5, [N23, L4]),
    (6, 7, [N45, L6, N03]),
])  # fmt: skip
def test_consistency_proofs_are_the_published_ones(old: int, new: int, path: list[str]) -> None:
    """The consistency proofs of the reference tree come out hash by hash, and verify."""
    proof = tlog.consistency_proof(old, new, subtree_of(HASHES[:new]))

    assert [node.hex() for node in proof] == path
    assert tlog.verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 130))
def test_every_leaf_of_every_tree_proves(seed: int, size: int) -> None:
    """For each index there is a proof that verifies."""
    leaves = leaves_of(seed, size)
    root, subtree = tlog.root(leaves), subtree_of(leaves)

    for index, leaf in enumerate(leaves):
        assert tlog.verify_inclusion(leaf, index, size, tlog.inclusion_proof(index, size, subtree), root)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_one_changed_byte_breaks_an_inclusion_proof(data: st.DataObject) -> None:
    """Leaf, index, size, root and each hash of the proof are all bound by the proof."""
    size = data.draw(st.integers(1, 300))
    index = data.draw(st.integers(0, size - 1))
    leaves = leaves_of(1, size)
    leaf, root = leaves[index], tlog.root(leaves)
    proof = tlog.inclusion_proof(index, size, subtree_of(leaves))
    at = data.draw(st.integers(0, 31))
    wrong_index = data.draw(st.integers(0, 2 * size).filter(lambda other: other != index))

    assert tlog.verify_inclusion(leaf, index, size, proof, root)
    assert not tlog.verify_inclusion(flipped(leaf, at), index, size, proof, root)
    assert not tlog.verify_inclusion(leaf, index, size, proof, flipped(root, at))
    assert not tlog.verify_inclusion(leaf, wrong_index, size, proof, root)
    assert not tlog.verify_inclusion(leaf, index, size, [*proof, root], root)
    for n in range(len(proof)):
        changed = [*proof[:n], flipped(proof[n], at), *proof[n + 1 :]]
        assert not tlog.verify_inclusion(leaf, index, size, changed, root)
        assert not tlog.verify_inclusion(leaf, index, size, [*proof[:n], *proof[n + 1 :]], root)


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 300), st.integers(1, 600), st.data())
def test_a_wrong_size_breaks_an_inclusion_proof_where_it_changes_the_path(
    size: int, claimed: int, data: st.DataObject
) -> None:
    """A proof stands for the sizes in which the leaf has the same path, and for no other."""
    index = data.draw(st.integers(0, size - 1))
    leaves = leaves_of(2, size)
    proof = tlog.inclusion_proof(index, size, subtree_of(leaves))
    assume(index >= claimed or _turns(index, size) != _turns(index, claimed))

    assert not tlog.verify_inclusion(leaves[index], index, claimed, proof, tlog.root(leaves))


def _turns(index: int, size: int) -> list[bool]:
    """From the root: does the way to the leaf go right? The path's shape, which is all a proof can bind."""
    turns = []
    while size > 1:
        left = 1 << ((size - 1).bit_length() - 1)
        turns.append(index >= left)
        index, size = (index - left, size - left) if index >= left else (index, left)
    return turns


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(0, 400), st.integers(0, 400), st.integers(0, 31))
def test_any_two_sizes_of_a_log_are_consistent_and_a_changed_log_is_not(
    seed: int, first: int, second: int, at: int
) -> None:
    """The proof between two sizes verifies; with a changed root, size or hash it does not."""
    old, new = sorted((first, second))
    leaves = leaves_of(seed, new)
    old_root, new_root = tlog.root(leaves[:old]), tlog.root(leaves)
    proof = tlog.consistency_proof(old, new, subtree_of(leaves))

    assert tlog.verify_consistency(old, old_root, new, new_root, proof)
    assert not tlog.verify_consistency(old, flipped(old_root, at), new, new_root, proof)
    assert not tlog.verify_consistency(old, old_root, new, new_root, [*proof, old_root])
    if old:
        assert not tlog.verify_consistency(old, old_root, new, flipped(new_root, at), proof)
        assert not tlog.verify_consistency(old - 1, old_root, new, new_root, proof)
    if old < new:
        assert not tlog.verify_consistency(new, new_root, old, old_root, proof)
        assert not tlog.verify_consistency(old + 1, old_root, new, new_root, proof)
    for n in range(len(proof)):
        changed = [*proof[:n], flipped(proof[n], at), *proof[n + 1 :]]
        assert not tlog.verify_consistency(old, old_root, new, new_root, changed)
        assert not tlog.verify_consistency(old, old_root, new, new_root, [*proof[:n], *proof[n + 1 :]])


def test_a_rewritten_leaf_cannot_be_made_consistent() -> None:
    """A log that changed an old entry has no proof to the old checkpoint, even built from its new tree."""
    honest = leaves_of(3, 40)
    forged = [*honest[:7], tlog.leaf_hash(b"forged"), *honest[8:], tlog.leaf_hash(b"new")]
    proof = tlog.consistency_proof(40, 41, subtree_of(forged))

    assert not tlog.verify_consistency(40, tlog.root(honest), 41, tlog.root(forged), proof)


def test_a_thousand_random_trees_agree_with_a_second_implementation() -> None:
    """Root, inclusion and consistency are those of `tamperlog`, and each side accepts the other's proofs."""
    dice = random.Random(20261122)
    for seed in range(1000):
        size = dice.randint(1, 90)
        index, old = dice.randrange(size), dice.randint(1, size)
        leaves = leaves_of(seed, size)
        root, old_root = tlog.root(leaves), tlog.root(leaves[:old])
        inclusion = tlog.inclusion_proof(index, size, subtree_of(leaves))
        consistency = tlog.consistency_proof(old, size, subtree_of(leaves))

        assert root == other.merkle_root(leaves)
        assert inclusion == other.inclusion_proof(index, leaves)
        assert consistency == other.consistency_proof(old, leaves)
        other.verify_inclusion(index, size, leaves[index], inclusion, root)
        other.verify_consistency(old, old_root, size, root, consistency)
        assert tlog.verify_inclusion(leaves[index], index, size, inclusion, root)
        assert tlog.verify_consistency(old, old_root, size, root, consistency)


ROOT = ROOTS[8]
NOT_HASHES = [None, b"", ROOT[:31], ROOT + b"\x00", "x" * 32, list(ROOT), 5]
NOT_PROOFS = [None, {}, "", b"", 5, [b""], [None], [ROOT[:31]], [5], [ROOT], [ROOT] * 100_000]
NOT_SIZES = [None, "1", 1.0, -1, 1 << 64, 1 << 100_000]


@pytest.mark.parametrize(("field", "values"), [
    ("leaf", NOT_HASHES),
    ("root", NOT_HASHES),
    ("index", [*NOT_SIZES, 1, 2]),
    ("size", [*NOT_SIZES, 0]),
    ("proof", NOT_PROOFS),
])  # fmt: skip
def test_a_malformed_inclusion_proof_is_false_and_never_an_exception(
    field: str, values: list[object]
) -> None:
    """From a good call with one argument as a stranger's file may hold it."""
    good: dict[str, object] = {"leaf": ROOT, "index": 0, "size": 1, "proof": [], "root": ROOT}

    assert tlog.verify_inclusion(**good) is True  # type: ignore[arg-type]
    for value in values:
        assert tlog.verify_inclusion(**{**good, field: value}) is False  # type: ignore[arg-type]


@pytest.mark.parametrize(("field", "values"), [
    ("old_root", NOT_HASHES),
    ("new_root", NOT_HASHES),
    ("old", [*NOT_SIZES, 0, 2]),
    ("new", [*NOT_SIZES, 0, 2]),
    ("proof", NOT_PROOFS),
])  # fmt: skip
def test_a_malformed_consistency_proof_is_false_and_never_an_exception(
    field: str, values: list[object]
) -> None:
    """From a good call with one argument as a stranger's file may hold it."""
    good: dict[str, object] = {"old": 1, "old_root": ROOT, "new": 1, "new_root": ROOT, "proof": []}

    assert tlog.verify_consistency(**good) is True  # type: ignore[arg-type]
    for value in values:
        assert tlog.verify_consistency(**{**good, field: value}) is False  # type: ignore[arg-type]


def test_the_largest_tree_is_walked_without_harm() -> None:
    """A proof of 64 hashes for a tree of 2**64 - 1 leaves verifies against the root it gives."""
    size = (1 << 64) - 1
    proof = tlog.inclusion_proof(0, size, lambda level, n: tlog.leaf_hash(b"%d/%d" % (level, n)))
    node = HASHES[0]
    for sibling in proof:
        node = tlog.node_hash(node, sibling)

    assert len(proof) == 64
    assert tlog.verify_inclusion(HASHES[0], 0, size, proof, node)


def test_the_empty_tree_extends_to_any_tree_but_only_from_its_own_root() -> None:
    """Size 0 takes an empty proof and the root of nothing."""
    assert tlog.verify_consistency(0, tlog.EMPTY_ROOT, 0, tlog.EMPTY_ROOT, [])
    assert tlog.verify_consistency(0, tlog.EMPTY_ROOT, 8, ROOTS[8], [])
    assert not tlog.verify_consistency(0, ROOTS[1], 8, ROOTS[8], [])
    assert not tlog.verify_consistency(0, ROOTS[8], 0, ROOTS[8], [])
    assert not tlog.verify_consistency(0, tlog.EMPTY_ROOT, 0, ROOTS[8], [])


@settings(deadline=None, max_examples=80)
@given(st.lists(st.integers(0, 40), max_size=12))
def test_appending_one_by_one_and_in_groups_gives_the_same_frontier(groups: list[int]) -> None:
    """However leaves arrive, the frontier is that of the tree, and survives being stored."""
    leaves = leaves_of(4, sum(groups))
    single, grouped, stored = tlog.Frontier(), tlog.Frontier(), tlog.Frontier()

    for leaf in leaves:
        single.append(leaf)
    for end, count in zip(_running(groups), groups, strict=True):
        grouped.extend(leaves[end - count : end])
        stored.extend(iter(leaves[end - count : end]))
        stored = tlog.Frontier.from_bytes(stored.size, stored.to_bytes())

    assert single.size == grouped.size == stored.size == len(leaves)
    assert single.peaks == grouped.peaks == stored.peaks
    assert single.root() == grouped.root() == stored.root() == other.merkle_root(leaves)


def _running(groups: list[int]) -> list[int]:
    return [sum(groups[: n + 1]) for n in range(len(groups))]


def test_the_peaks_are_the_perfect_subtrees_from_the_left() -> None:
    """7 = 4 + 2 + 1 leaves, largest first, 32 bytes each."""
    frontier = tlog.Frontier()
    frontier.extend(HASHES[:7])

    assert [peak.hex() for peak in frontier.peaks] == [N03, N45, L6]
    assert frontier.to_bytes() == bytes.fromhex(N03 + N45 + L6)


@pytest.mark.parametrize(
    ("size", "length"), [(7, 64), (7, 128), (8, 31), (0, 32), (1, 0), (-1, 32), (1 << 64, 32)]
)
def test_a_frontier_of_the_wrong_length_is_refused(size: int, length: int) -> None:
    """Stored bytes must be 32 for each 1-bit of the size."""
    with pytest.raises(InputError) as refused:
        tlog.Frontier.from_bytes(size, b"\x00" * length)

    assert str(size) in refused.value.what


def test_what_is_not_a_hash_is_refused_before_anything_is_added() -> None:
    """Passing the data instead of its hash is found at once; the frontier stays as it was."""
    frontier = tlog.Frontier()
    frontier.extend(HASHES[:3])

    with pytest.raises(UsageError):
        frontier.append(b"data")
    with pytest.raises(UsageError):
        frontier.extend([*HASHES[3:], b"data"])

    assert (frontier.size, frontier.root()) == (3, ROOTS[3])


def test_tile_roots_are_the_roots_of_the_full_blocks() -> None:
    """Each block of 256 leaves gives one level-1 hash; no block gives none."""
    leaves = leaves_of(5, 3 * tlog.TILE)

    assert tlog.tile_roots(leaves) == [tlog.root(leaves[at : at + 256]) for at in (0, 256, 512)]
    assert tlog.tile_roots([]) == []


def test_an_incomplete_block_has_no_tile_root() -> None:
    """Leaves that do not fill a block wait for the next seal."""
    with pytest.raises(UsageError, match="257 leaves"):
        tlog.tile_roots(leaves_of(5, 257))


@pytest.mark.parametrize("sealed", [0, 2, 5])
def test_proofs_from_stored_tiles_are_those_from_all_leaves(sealed: int) -> None:
    """The subtrees of 5 full blocks and a tail are right however many of the blocks are sealed."""
    size = 5 * tlog.TILE + 37
    leaves = leaves_of(6, size)
    tiles = tlog.tile_roots(leaves[: sealed * tlog.TILE])
    subtree = tlog.subtrees(leaves.__getitem__, lambda n: tiles[n] if n < sealed else None)

    for index in (0, 255, 256, 700, 1279, 1280, size - 1):
        assert tlog.inclusion_proof(index, size, subtree) == other.inclusion_proof(index, leaves)
    for old in (1, 256, 257, 1024, 1280, 1300, size):
        assert tlog.consistency_proof(old, size, subtree) == other.consistency_proof(old, leaves)


def test_a_proof_in_a_large_log_reads_each_tile_once_and_few_leaves() -> None:
    """With 4,096 sealed blocks, a second proof reads no tile again; leaves are read of one block only."""
    tiles_read: list[int] = []
    leaves_read: list[int] = []

    def tile(n: int) -> bytes:
        tiles_read.append(n)
        return hashlib.sha256(b"tile %d" % n).digest()

    def leaf(n: int) -> bytes:
        leaves_read.append(n)
        return hashlib.sha256(b"leaf %d" % n).digest()

    size = 4096 * tlog.TILE
    subtree = tlog.subtrees(leaf, tile)
    tlog.inclusion_proof(1000, size, subtree)
    tlog.inclusion_proof(1001, size, subtree)

    assert len(tiles_read) == len(set(tiles_read)) == 4095
    assert {n // tlog.TILE for n in leaves_read} == {1000 // tlog.TILE}


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 4), (4, 4), (0, 1 << 64)])
def test_a_leaf_outside_the_tree_has_no_proof(index: int, size: int) -> None:
    """Asking for it is a wrong call, with the numbers in the error."""
    with pytest.raises(UsageError, match=f"leaf {index} "):
        tlog.inclusion_proof(index, size, subtree_of([]))


@pytest.mark.parametrize(("old", "new"), [(5, 4), (-1, 4), (0, 1 << 64)])
def test_a_log_cannot_shrink(old: int, new: int) -> None:
    """A consistency proof goes from the smaller to the larger size."""
    with pytest.raises(UsageError, match=str(old)):
        tlog.consistency_proof(old, new, subtree_of([]))
