"""A home: the folder of one tenant's ledger, keys and state; and the project file that names it.

home.toml        what this home is; the only truth
journal.db       the log's tail and the state tables (or a PostgreSQL database)
segments/        sealed entries, day=YYYY-MM-DD/*.parquet
blobs/           parts over 256 KiB
checkpoints/     kept signed heads
keys.db          the keys of persons and days, wrapped (or in the PostgreSQL database)
secrets/         signing.pem, lookup.key and kek.key, mode 0600
"""

import json
import os
import re
import secrets
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from answerable import formats
from answerable.errors import HomeError, NewerHome, UsageError, did_you_mean
from answerable.governance.kek import OWN_KEK
from answerable.governance.retention import retention_times
from answerable.ledger.durable import flush_folder
from answerable.ledger.keys import Lookup, make_signing_key

HOME_FILE = "home.toml"
OWN_KEY = "file:secrets/signing.pem"  # made with the home
PROJECT_FILE = "answerable.toml"
CREATE_LOCK = "home.lock"
HOME_VARIABLE = "ANSWERABLE_HOME"
SECRET_SETTINGS = ("password", "passfile", "sslpassword")  # of a PostgreSQL URL
DURABILITIES = ("FULL", "NORMAL")
FORMATS: Mapping[str, int] = {
    "home": formats.HOME,
    "leaf": formats.LEAF,
    "envelope": formats.ENVELOPE,
    "segment": formats.SEGMENT,
    "state": formats.STATE,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Home:
    """What home.toml says. id: 16 bytes. journal: "sqlite:FILE", a PostgreSQL URL, or "env:NAME" of one.

    kek: where the key-encryption key is. keys: the key store, "sqlite:FILE" or a PostgreSQL URL; None: beside
    the journal. webhook: where alerts go, an https URL or "env:NAME" of one; webhook_secret: "env:NAME" of
    what signs.
    """

    folder: Path
    id: bytes
    origin: str
    journal: str = "sqlite:journal.db"
    durability: str = "FULL"
    signing_key: str = OWN_KEY
    verifier_keys: tuple[str, ...] = ()  # public halves of all signing keys that were ever in use
    kek: str = OWN_KEK
    keys: str | None = None
    webhook: str | None = None
    webhook_secret: str | None = None

    @property
    def lookup_key(self) -> Path:
        """Where the look-up key is."""
        return self.folder / "secrets" / "lookup.key"

    def journal_url(self, env: Mapping[str, str]) -> str:
        """Return the journal's URL. Raises HomeError if the environment does not hold it."""
        return _resolved("the journal's URL", self.journal, env)

    def keys_url(self, env: Mapping[str, str]) -> str:
        """Return the key store's URL. Raises HomeError if the environment does not hold it."""
        if self.keys is not None:
            return _resolved("the key store's URL", self.keys, env)
        journal = self.journal_url(env)
        beside = journal.partition(":")[0].partition("+")[0] in ("memory", "postgresql", "postgres")
        return journal if beside else "sqlite:keys.db"

    def webhook_url(self, env: Mapping[str, str]) -> str | None:
        """Return where alerts go, or None. Raises HomeError if the environment does not hold it."""
        return None if self.webhook is None else _resolved("the webhook's URL", self.webhook, env)

    def webhook_key(self, env: Mapping[str, str]) -> str | None:
        """Return the secret that signs alerts, or None. Raises HomeError as above."""
        named = self.webhook_secret
        return None if named is None else _resolved("the webhook's secret", named, env)


def _resolved(what: str, where: str, env: Mapping[str, str]) -> str:
    if not where.startswith("env:"):
        return where
    name = where.removeprefix("env:")
    if name not in env:
        raise HomeError(f"{what} is not in the environment as {name}", next_step=f"set {name}")
    return env[name]


def create_home(
    folder: Path,
    *,
    journal: str = "sqlite:journal.db",
    durability: str = "FULL",
    signing_key: str = OWN_KEY,
    kek: str = OWN_KEK,
) -> Home:
    """Make a home in `folder`, which must be new or empty.

    signing_key, kek: "file:PATH" or "env:NAME" of a key that is there already; a key is made only for the
    default. Raises HomeError if it cannot be made, UsageError for a journal URL with a password in it.
    """
    refuse_password(journal)
    if not _is_empty(folder):
        raise _no_home(folder)
    home_id = secrets.token_bytes(16)
    home = Home(
        folder=folder.absolute(),
        id=home_id,
        origin=f"answerable.local/{home_id.hex()[:16]}",
        journal=journal,
        durability=durability,
        signing_key=signing_key,
        kek=kek,
    )
    try:
        for name in ("", "segments", "blobs", "checkpoints", "policies", "secrets"):
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        if signing_key == OWN_KEY:
            make_signing_key(folder / "secrets" / "signing.pem")
        Lookup.make(home.lookup_key)
    except OSError as exc:
        raise HomeError(
            f"the home {folder} cannot be made: {exc.strerror or exc}",
            next_step="name a folder you can write to",
        ) from exc
    return home


def refuse_password(journal: str) -> None:
    """Raise UsageError if a journal's URL holds a password: home.toml is no place for one."""
    if _holds_password(journal):
        raise UsageError(
            "the journal's URL holds a password, which would stand in home.toml",
            next_step='put the URL into the environment and name it: journal="env:NAME"',
        )


def _holds_password(journal: str) -> bool:
    """Say whether a URL has a password before its host or among its settings; rather too often."""
    scheme, _, rest = journal.partition(":")
    if scheme in ("env", "sqlite", "memory"):
        return False
    # A password may hold any of "/?#:@", so whatever stands before the last @ counts.
    before = rest.rpartition("@")[0].lstrip("/")
    settings = re.split(r"[?&;#\s]", unquote_plus(rest))
    named = {setting.partition("=")[0].strip().lower() for setting in settings}
    return ":" in before or not named.isdisjoint(SECRET_SETTINGS)


def unmake_home(home: Home) -> None:
    """Remove what `create_home` made of a home that could not be finished, so that it may be tried again."""
    for path in home.folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != CREATE_LOCK:
            path.unlink()


def may_become_home(folder: Path) -> bool:
    """Say whether `folder` is new or empty, or has no home.toml because another process is just making it.

    Whoever goes on takes CREATE_LOCK, looks again for home.toml, and only then makes the home.
    """
    try:
        if (folder / HOME_FILE).exists():
            return False
        return (folder / CREATE_LOCK).exists() or _is_empty(folder)
    except OSError:  # nobody may look inside: opening it says so
        return False


def _is_empty(folder: Path) -> bool:
    if not folder.exists():
        return True
    return folder.is_dir() and all(path.name == CREATE_LOCK for path in folder.iterdir())


def _no_home(folder: Path) -> HomeError:
    """Return the error for a folder without home.toml that is not empty."""
    if (folder / "secrets").is_dir() or (folder / "journal.db").exists():
        # Never made anew here: the ledger of the old home may be all that is left of it.
        return HomeError(
            f"{folder} has no {HOME_FILE}: it was lost, or making or restoring this home was interrupted",
            next_step=f"put {HOME_FILE} back from a backup; if the home was never used, empty the folder",
        )
    return HomeError(
        f"{folder} is neither a home nor empty", next_step=f"name an empty folder, or one with a {HOME_FILE}"
    )


def write_home(home: Home, numbers: Mapping[str, int] = FORMATS) -> None:
    """Write home.toml, last and whole: a folder without it is not yet a home. numbers: of its formats."""
    text = (
        "# The only truth about this home. Keep it and `secrets/` with every backup.\n"
        f"id = {_quoted(home.id.hex())}\n"
        f"origin = {_quoted(home.origin)}   # names the log in checkpoints\n"
        f"journal = {_quoted(home.journal)}\n"
        f"durability = {_quoted(home.durability)}   # FULL survives a power cut, NORMAL a crash\n"
        f'signing_key = {_quoted(home.signing_key)}   # or "env:NAME"; PEM, Ed25519\n'
        f'kek = {_quoted(home.kek)}   # wraps the keys; or "env:NAME", "kms:NAME:KEY"\n'
        + ("" if home.keys is None else f"keys = {_quoted(home.keys)}   # the key store\n")
        + f"verifier_keys = {json.dumps(list(home.verifier_keys))}   # of all signing keys ever in use\n\n"
        + _alerts_text(home)
        + "[formats]\n"
        + "".join(f"{name} = {number}\n" for name, number in numbers.items())
    )
    partial = home.folder / f"{HOME_FILE}.partial"
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(home.folder / HOME_FILE)
    flush_folder(home.folder)


def _alerts_text(home: Home) -> str:
    if home.webhook is None:
        return ""
    secret = "" if home.webhook_secret is None else f"secret = {_quoted(home.webhook_secret)}\n"
    return f"[alerts]   # posted there, beside the log\nwebhook = {_quoted(home.webhook)}\n{secret}\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is a TOML basic string


def open_home(folder: Path, *, older: bool = False) -> Home:
    """Read a home. older: also one that `answerable upgrade` has not brought up to this version yet.

    Raises NewerHome if a newer version wrote it, HomeError if it is damaged, missing or older.
    """
    path = folder / HOME_FILE
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if may_become_home(folder) and _is_empty(folder):
            raise HomeError(
                f"there is no home in {folder}",
                next_step=f"name the folder that holds {HOME_FILE}, or make one",
            ) from None
        raise _no_home(folder) from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise HomeError(f"{path} cannot be read: {exc}", next_step="restore it from a backup") from exc
    found = data.get("formats")
    for name, ours in FORMATS.items():
        _check_format(path, name, found.get(name) if isinstance(found, dict) else None, ours, older=older)
    try:
        home = Home(
            folder=folder.absolute(),
            id=bytes.fromhex(data["id"]),
            origin=str(data["origin"]),
            journal=str(data["journal"]),
            durability=str(data.get("durability", "FULL")),
            signing_key=str(data.get("signing_key", OWN_KEY)),
            verifier_keys=tuple(map(str, data.get("verifier_keys", ()))),
            kek=str(data.get("kek", OWN_KEK)),
            keys=None if data.get("keys") is None else str(data["keys"]),
            **_alerts(path, data.get("alerts", {})),
        )
    except (KeyError, ValueError, TypeError) as exc:
        raise HomeError(f"{path} is damaged: {exc!r}", next_step="restore it from a backup") from exc
    if home.durability not in DURABILITIES:
        raise HomeError(
            f"{path}: durability is {home.durability!r}",
            next_step=did_you_mean(home.durability, DURABILITIES),
        )
    return home


def _alerts(path: Path, told: Any) -> dict[str, str]:
    """Return [alerts] as fields of a Home. Raises HomeError that shows no value: it may be secret."""
    names = ("webhook", "secret")
    if not isinstance(told, dict):
        raise HomeError(f"{path}: alerts is no table", next_step="write [alerts] and webhook = below it")
    for name in told:
        if name not in names:
            raise HomeError(f"{path}: [alerts] has an unknown {name!r}", next_step=did_you_mean(name, names))
    webhook, secret = told.get("webhook"), told.get("secret")
    for name, sound, step in (
        (
            "webhook",
            webhook is None or _is_webhook(webhook),
            'give "https://..." without a password, or "env:NAME"',
        ),
        (
            "secret",
            secret is None or str(secret).startswith("env:"),
            'put it into the environment: "env:NAME"',
        ),
        ("secret", secret is None or webhook is not None, "give webhook = beside it"),
    ):
        if not sound:
            raise HomeError(f"{path}: the {name} below [alerts] cannot be used", next_step=step)
    found = {"webhook": webhook, "webhook_secret": secret}
    return {name: value for name, value in found.items() if value is not None}


def _is_webhook(where: Any) -> bool:
    """Say whether home.toml may name this webhook: a variable, or a URL that shows no password."""
    if not isinstance(where, str) or where.startswith("env:"):
        return isinstance(where, str)
    try:
        parts = urlsplit(where)
    except ValueError:
        return False
    named = {name.strip().lower() for name, _ in parse_qsl(parts.query)}
    sound = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    return sound and named.isdisjoint(SECRET_SETTINGS)


def _check_format(path: Path, name: str, found: Any, ours: int, *, older: bool) -> None:
    if not isinstance(found, int):
        raise HomeError(f"{path} has no {name} format number", next_step="restore it from a backup")
    if found > ours:
        raise NewerHome(
            f"{path}: {name} format {found} is newer than this version's {ours}",
            next_step="install a newer answerable",
        )
    if found < ours and not older:
        raise HomeError(
            f"{path}: {name} format {found} is older than {ours}", next_step="run `answerable upgrade`"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """What answerable.toml (or [tool.answerable] in pyproject.toml) says.

    decisions: name -> target. policies: the folder of its policies, or None for the home's own. retention:
    class -> seconds.
    """

    folder: Path
    home: Path
    decisions: Mapping[str, str] = field(default_factory=dict)
    connections: Mapping[str, Any] = field(default_factory=dict)
    policies: Path | None = None
    retention: Mapping[str, float] = field(default_factory=dict)


def find_project(start: Path) -> Project | None:
    """Look for the project file from `start` upward; None if there is none."""
    for folder in (start.absolute(), *start.absolute().parents):
        for name in (PROJECT_FILE, "pyproject.toml"):
            path = folder / name
            if not path.is_file():
                continue
            try:
                data = tomllib.loads(path.read_text(encoding="utf-8"))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
                raise UsageError(f"{path} cannot be read: {exc}", next_step="mend that line") from exc
            if name == "pyproject.toml":
                data = data.get("tool", {}).get("answerable")
                if data is None:
                    continue
            return _project(folder, path, data)
    return None


def _project(folder: Path, path: Path, data: Mapping[str, Any]) -> Project:
    if not isinstance(data, Mapping):
        raise UsageError(f"{path}: answerable is {data!r}", next_step="write a table, [tool.answerable]")
    known = ("home", "decisions", "connections", "providers", "policies", "alerts", "retention")
    for name in data:
        if name not in known:
            raise UsageError(f"{path} has an unknown setting {name!r}", next_step=did_you_mean(name, known))
    home, decisions = data.get("home", ".answerable"), data.get("decisions", {})
    connections, policies = data.get("connections", {}), data.get("policies")
    if isinstance(decisions, list):
        decisions = {str(target).rpartition(":")[2]: target for target in decisions}
    for name, sound, wanted in (
        ("home", isinstance(home, str), 'a folder as text, such as home = ".answerable"'),
        ("decisions", _all_text(decisions), 'name = "file.py:attribute" lines below [decisions]'),
        ("connections", isinstance(connections, Mapping), "a table, [connections]"),
        (
            "policies",
            policies is None or isinstance(policies, str),
            'a folder, such as policies = "policies"',
        ),
    ):
        if not sound:
            raise UsageError(f"{path}: {name} is {data[name]!r}", next_step=f"write {wanted}")
    place = _folder(folder / home, home)
    return Project(
        folder=folder,
        home=place,
        decisions=decisions,
        connections=connections,
        policies=None if policies is None else folder / policies,
        retention=retention_times(data.get("retention", {}), where=str(path)),
    )


def connection_url(name: str, told: Any, folder: Path, env: Mapping[str, str]) -> str:
    """Return the URL of a connection, as [connections] or a source gives it.

    told: the URL, "env:NAME" or "file:PATH" (from `folder`) of one, or a table with such a `url`. Raises
    HomeError, which shows no value, if there is none.
    """
    what = f"the URL of the connection {name}"
    where = told.get("url") if isinstance(told, Mapping) else told
    if not isinstance(where, str) or not where.strip():
        raise HomeError(f"{what} is not given as text", next_step='write url = "env:NAME" or "file:PATH"')
    if not where.startswith("file:"):
        return _resolved(what, where, env)
    path = folder / where.removeprefix("file:")
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise HomeError(f"{what} cannot be read from {path}", next_step="check that file") from exc


def _all_text(decisions: Any) -> bool:
    return isinstance(decisions, Mapping) and all(isinstance(target, str) for target in decisions.values())


def _folder(path: Path, named: str | Path) -> Path:
    """Return the `path` of a home `named` so. Raises UsageError for a URL, HomeError for a file."""
    if re.match(r"[A-Za-z][\w+.-]+:/", str(named)):
        raise UsageError(  # only the scheme is shown: the rest may hold a password
            f"the home is given as a {str(named).partition(':')[0]} URL, and a home is a folder",
            next_step="name a folder; its journal may be a PostgreSQL URL: Workspace(folder, journal=...)",
        )
    if os.path.isfile(path):
        raise HomeError(f"{named} is a file, not a folder", next_step="name the folder of a home")
    return path


def choose_home(named: str | Path | None, env: Mapping[str, str], start: Path) -> Path:
    """Return the home's folder: as named, else ANSWERABLE_HOME, else the project file's.

    Raises UsageError where none of them says one, or a URL, and HomeError for a file: no home is ever made by
    accident.
    """
    named = named if named is not None else env.get(HOME_VARIABLE) or None
    if named is not None:
        return _folder(Path(named), named)
    project = find_project(start)
    if project is None:
        raise UsageError(
            f"no {PROJECT_FILE} was found from {start.absolute()} upward",
            next_step=f"name a home (--home DIR, {HOME_VARIABLE}) or start one: `answerable new NAME`",
        )
    return project.home
