"""A role has one holder at a time, and one that lost it writes nothing more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answerable.errors import LockedHome
from answerable.ledger.entry import Conflict, Unit, Write
from answerable.ports import Journal
from answerable.state.cases import ADD_LINK
from answerable.upkeep.roles import Lease, held, roles, take
from answerable.workspace import Workspace
from upkeep.homes import SetClock


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def journal(request: pytest.FixtureRequest) -> Iterator[Journal]:
    """A journal of each kind."""
    if request.param == "memory":
        home, url = "memory:", None
    elif request.param == "sqlite":
        home, url = str(request.getfixturevalue("tmp_path") / "home"), None
    else:
        home, url = str(request.getfixturevalue("tmp_path") / "home"), request.getfixturevalue("postgres_url")
    with Workspace(home, journal=url) as workspace:
        yield workspace.journal


def write(journal: Journal, lease: Lease, child: bytes) -> None:
    """Do a piece of work under a lease."""
    row = {"parent": b"work", "child": child, "kind": "piece"}
    journal.submit(Unit(writes=[*lease.fence, Write(ADD_LINK, row)]))


def test_a_role_that_is_held_is_not_given_away(journal: Journal) -> None:
    """The second worker gets nothing; the role stays the first one's."""
    clock = SetClock()
    first = take(journal, clock, "sealer", "a")

    second = take(journal, clock, "sealer", "b")

    assert first is not None
    assert second is None
    assert roles(journal)["sealer"].holder == "a"


def test_a_role_is_free_again_when_its_holder_ends_it(journal: Journal) -> None:
    """It keeps when its last pass ended and what that said."""
    clock = SetClock()
    first = take(journal, clock, "sealer", "a")
    assert first is not None
    clock.forward(5)
    first.end("done")

    assert take(journal, clock, "sealer", "b") is not None
    role = roles(journal)["sealer"]
    assert (role.ran, role.note, role.holder) == (clock.now(), "done", "b")


def test_a_role_is_free_again_when_its_time_is_over(journal: Journal) -> None:
    """A worker that crashed holds it up for the length of the lease."""
    clock = SetClock()
    take(journal, clock, "sealer", "a", seconds=60)
    clock.forward(59)
    assert take(journal, clock, "sealer", "b") is None

    clock.forward(1)

    assert take(journal, clock, "sealer", "b") is not None


def test_a_holder_that_lost_its_role_writes_nothing(journal: Journal) -> None:
    """It may not know yet that it lost it: a stopped process wakes up and goes on."""
    clock = SetClock()
    old = take(journal, clock, "sealer", "a", seconds=60)
    assert old is not None
    write(journal, old, b"before")
    clock.forward(61)
    new = take(journal, clock, "sealer", "b", seconds=60)
    assert new is not None

    with pytest.raises(Conflict, match="lease"):
        write(journal, old, b"after")

    write(journal, new, b"new")
    with pytest.raises(Conflict, match="lease"):
        old.end("I am done")
    assert (roles(journal)["sealer"].holder, roles(journal)["sealer"].note) == ("b", "")


def test_long_work_keeps_its_role(journal: Journal) -> None:
    """It prolongs the lease now and then; nobody else gets in between."""
    clock = SetClock()
    lease = take(journal, clock, "sealer", "a", seconds=60)
    assert lease is not None

    for _ in range(10):
        clock.forward(25)
        lease.keep()
        assert take(journal, clock, "sealer", "b") is None


def test_keeping_a_role_that_was_lost_fails(journal: Journal) -> None:
    """Otherwise two would hold it."""
    clock = SetClock()
    lease = take(journal, clock, "sealer", "a", seconds=60)
    assert lease is not None
    clock.forward(61)
    take(journal, clock, "sealer", "b")

    with pytest.raises(Conflict, match="lease"):
        lease.keep()


def test_roles_do_not_disturb_each_other(journal: Journal) -> None:
    """Each has its own lease and token."""
    clock = SetClock()

    assert take(journal, clock, "sealer", "a") is not None
    assert take(journal, clock, "expiry", "b") is not None


def test_work_by_hand_says_who_holds_the_role(journal: Journal) -> None:
    """A command does not push a worker aside."""
    clock = SetClock()
    take(journal, clock, "sealer", "box:1")

    with pytest.raises(LockedHome, match="box:1"), held(journal, clock, "sealer"):
        pytest.fail("it does not come to this")


def test_work_by_hand_gives_the_role_back(journal: Journal) -> None:
    """Also when it fails."""
    clock = SetClock()

    with pytest.raises(ZeroDivisionError), held(journal, clock, "sealer"):
        _ = 1 / 0

    assert roles(journal)["sealer"].note == "failed"
    assert take(journal, clock, "sealer", "b") is not None


STEPS = st.lists(
    st.tuples(st.sampled_from(["take", "write", "end", "wait"]), st.sampled_from("abc"), st.integers(1, 70)),
    max_size=30,
)


@given(STEPS)
@settings(max_examples=40)
def test_only_the_last_one_who_took_a_role_ever_writes(steps: list[tuple[str, str, int]]) -> None:
    """Whatever workers do and however long they sleep: one can write, and its token is the highest."""
    with Workspace("memory:") as workspace:
        journal, clock = workspace.journal, SetClock()
        leases: dict[str, Lease] = {}
        last, highest = "", 0
        for number, (act, who, seconds) in enumerate(steps):
            if act == "wait":
                clock.forward(seconds)
            elif act == "take" and (lease := take(journal, clock, "sealer", who, seconds=60)) is not None:
                assert lease.token > highest
                leases[who], last, highest = lease, who, lease.token
            elif act == "write" and who in leases:
                try:
                    write(journal, leases[who], bytes([number]))
                except Conflict:
                    assert who != last
                else:
                    assert who == last
            elif act == "end" and who in leases and who == last:
                leases[who].end("")
