"""Opens the keys of a home: its key-encryption key and the store of what that key wraps."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from answerable.errors import HomeError, UsageError, did_you_mean
from answerable.governance.kek import OWN_KEK, load_kek, make_kek
from answerable.governance.keys_postgres import PostgresKeys
from answerable.governance.keys_sqlite import MemoryKeys, SqliteKeys
from answerable.home import Home
from answerable.ports import DataKey, Kek, KeptKey, KeyStore


def open_keys(home: Home, env: Mapping[str, str], *, create: bool = False) -> KeyStore:
    """Return the key store of a home. create: make it and its own key-encryption key if need be.

    Where its file is lost the home can still be read and verified, but for what is sealed. Raises HomeError
    if the keys are another home's, or the key-encryption key is not the one that wrapped them.
    """

    def open_kek(sealed: bytes) -> Kek:
        return load_kek(home.kek, home.folder, env, home=home.id, sealed=sealed)

    own = home.folder / "secrets" / "kek.key"
    if create and home.kek == OWN_KEK and not own.exists():
        make_kek(own)
    url = home.keys_url(env)
    scheme, _, rest = url.partition(":")
    if scheme == "memory":
        return MemoryKeys(home=home.id, open_kek=open_kek)
    if scheme == "sqlite":
        path = home.folder / rest.removeprefix("//")
        if not create and not path.exists():
            return NoKeys(
                HomeError(
                    f"the keys {path} are missing, so nothing personal can be opened or recorded",
                    next_step="put the file back from a backup",
                )
            )
        return SqliteKeys(path, home=home.id, open_kek=open_kek, create=create)
    if scheme.partition("+")[0] in ("postgresql", "postgres"):
        return PostgresKeys(url, home=home.id, open_kek=open_kek, create=create)
    raise UsageError(
        f"no key store is known for {scheme!r}", next_step=did_you_mean(scheme, ("sqlite", "postgresql"))
    )


class NoKeys:
    """Stands where the key store is lost: reading goes on, use says why not."""

    def __init__(self, why: HomeError) -> None:
        self._why = why

    def _refuse(self) -> NoReturn:
        raise HomeError(self._why.what, next_step=self._why.next_step)

    def make(self, count: int) -> Sequence[DataKey]:
        """Raise the error of the loss; so do the others that need a key."""
        self._refuse()

    def of_day(self, retention: str, day: int) -> DataKey | None:
        """Raise."""
        self._refuse()

    def find_day(self, retention: str, day: int) -> DataKey | None:
        """Raise."""
        self._refuse()

    def get(self, key_id: bytes) -> DataKey | None:
        """Raise."""
        self._refuse()

    def shred(self, key_ids: Sequence[bytes]) -> int:
        """Raise."""
        self._refuse()

    def days(self) -> Sequence[tuple[str, int, bytes]]:
        """Raise."""
        self._refuse()

    def kept(self) -> Iterator[KeptKey]:
        """Raise."""
        self._refuse()

    def put_back(self, keys: Sequence[KeptKey]) -> None:
        """Raise."""
        self._refuse()

    def rewrap(self, kek: Kek) -> int:
        """Raise."""
        self._refuse()

    def close(self) -> None:
        """Nothing to let go of."""
