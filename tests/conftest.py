"""What all tests share: how hypothesis runs, where real data is, and a PostgreSQL."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url", "repository", "shared_data"]

REPOSITORY = Path(__file__).resolve().parent.parent

# A shell that starts the tests in its background lets them ignore Ctrl-C, and so would all their children.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: a shared machine stalls now and then, and a stall is not a wrong answer.
settings.register_profile(
    "answerable", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("answerable")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; the test is skipped where there is none."""
    shared = Path(os.environ.get("ANSWERABLE_SHARED") or REPOSITORY.parent / "shared")
    if not (shared / "data").is_dir():
        pytest.skip(f"no real data: {shared / 'data'} is not a folder; name its parent in ANSWERABLE_SHARED")
    return shared / "data"
