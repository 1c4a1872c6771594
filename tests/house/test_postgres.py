"""The PostgreSQL of the tests is a real one, private and cheap."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg

from postgres import PostgresServer
from waiting import until


def test_a_fresh_database_answers_and_is_empty(postgres_server: PostgresServer) -> None:
    """Two databases of one server share nothing."""
    first, second = postgres_server.fresh_url(), postgres_server.fresh_url()
    with psycopg.connect(first) as connection:
        connection.execute("CREATE TABLE mine (n int)")

    with psycopg.connect(second) as connection:
        tables = connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'").fetchall()

    assert tables == []


def test_the_server_listens_on_no_network_address(postgres_url: str) -> None:
    """Nobody else on the network can reach what the tests store."""
    with psycopg.connect(postgres_url) as connection:
        addresses = connection.execute("SHOW listen_addresses").fetchone()

    assert addresses == ("",)


def test_the_server_ends_with_a_killed_test_process(tmp_path: Path) -> None:
    """A test run that is killed leaves no server behind."""
    program = (
        "import os, postgres; print(postgres.PostgresServer().folder, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, text=True
    )
    folder = Path(done.stdout.strip())

    assert done.returncode == -9
    until(lambda: not folder.exists())
