"""Which model is called, where and with whose key, and the client that calls it, one a running loop."""

import asyncio
import inspect
import os
import re
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from answerable.errors import UsageError, did_you_mean
from answerable.failures.fault import Fault, Faulted
from answerable.integrations.llm_wire import looking, sending
from answerable.integrations.tables_core import load

# Where a provider is, if nobody says otherwise. Given to the client too: an environment variable must not
# send a case elsewhere than its record says.
HOSTS: Mapping[str, str] = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
_KEYS = {"openai": "env:OPENAI_API_KEY", "anthropic": "env:ANTHROPIC_API_KEY"}
_DECISIONS = ("openai-decisions", "google-decisions", "system-one", "typesafe")
# What some providers need beside pydantic-ai; its extras are called as the providers are.
_PACKAGES = {
    "anthropic": "anthropic",
    "bedrock": "boto3",
    "cohere": "cohere",
    "google": "google.genai",
    "groq": "groq",
    "huggingface": "huggingface_hub",
    "mistral": "mistralai",
    "openai": "openai",
    "typesafe": "typesafe_sdk",
    "xai": "xai_sdk",
}
_NO_KEY = "none"  # the clients insist on one
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,100}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where answers come from.

    given: the pydantic-ai id or Model as declared. prefix: a provider of pydantic-ai, or None for any
    OpenAI-compatible URL. name: the bare model id. api_key: a reference ("env:NAME"), never a key. called:
    what the provider at the URL is called.
    """

    given: Any
    prefix: str | None
    name: str
    url: str | None = None
    api_key: str | None = None
    called: str | None = None

    @property
    def id(self) -> str:
        """The model as records and digests name it."""
        return f"{self.prefix}:{self.name}" if self.prefix else self.name

    @property
    def destination(self) -> str:
        """The host that gets the data, as far as it is known; else the provider's name.

        This machine without the port: a server here may get another one each time, and stays the same.
        """
        if isinstance(self.given, str):
            base = self.url or HOSTS.get(self.family)
        else:
            base = getattr(self.given, "base_url", None)
        host = _steady(urlsplit(str(base)).netloc) if base else ""
        return host or self.family or self.name.replace("/", "-")

    @property
    def place(self) -> str | None:
        """The URL as digests hold it: that of this machine without its port."""
        if self.url is None:
            return None
        parts = urlsplit(self.url)
        return parts._replace(netloc=_steady(parts.netloc)).geturl()

    @property
    def family(self) -> str:
        """The provider without the words for one of its interfaces: "openai" for "openai-chat"."""
        return _family(self.prefix) if self.prefix else ""

    @property
    def provider(self) -> str:
        """The provider as breakers and records name it: an address of one's own is its own provider."""
        return self.called or (self.destination if self.url else self.family)

    @property
    def local(self) -> bool:
        """Whether it runs on this machine."""
        return is_loopback(self.destination)

    @property
    def decides(self) -> bool:
        """Whether it is a decision model: it gives probabilities and writes no text."""
        if isinstance(self.given, str):
            return self.prefix in _DECISIONS
        from pydantic_ai.models.decision import DecisionModel

        return isinstance(self.given, DecisionModel)


def source_of(model: Any, *, url: str | None, api_key: str | None) -> Source:
    """Read what a caller declared. Raises UsageError for what cannot work, or would hold a secret."""
    if find_spec("pydantic_ai") is None:
        load("pydantic_ai", extra="llm", purpose="an llm decider")  # raises, with the pip command
    _check_reference(api_key)
    if not isinstance(model, str):
        return _of_object(model, url=url, api_key=api_key)
    if not model.strip() or not model.isprintable():
        raise UsageError(f"the model is {model!r}", next_step='give an id such as "openai:gpt-5-mini"')
    prefix, colon, name = model.partition(":")
    known = _providers()
    if url is not None:
        _check_url(url)
        if not colon or _family(prefix) not in known:  # a bare id may hold a colon: "llama3:8b"
            return Source(given=model, prefix=None, name=model, url=url, api_key=api_key)
    elif not colon or not name:
        raise UsageError(
            f"the model {model!r} names no provider",
            next_step='write "openai:gpt-5-mini", or give url= for an OpenAI-compatible server',
        )
    elif _family(prefix) not in known:
        raise UsageError(
            f"the model {model!r} names an unknown provider", next_step=did_you_mean(prefix, known)
        )
    elif prefix == "system-one":
        raise UsageError("system-one is a protocol, not a place", next_step="give url=, the base URL")
    _check_package(_family(prefix))
    if url is None and api_key is None:
        api_key = _KEYS.get(_family(prefix))
    return Source(given=model, prefix=prefix, name=name, url=url, api_key=api_key)


def is_loopback(host: str) -> bool:
    """Whether a host (with or without a port) is this machine."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _steady(netloc: str) -> str:
    if not is_loopback(netloc):
        return netloc
    host = urlsplit(f"//{netloc}").hostname or ""
    return f"[{host}]" if ":" in host else host


def _of_object(model: Any, *, url: str | None, api_key: str | None) -> Source:
    name, system = getattr(model, "model_name", None), getattr(model, "system", None)
    if not isinstance(name, str) or not isinstance(system, str) or not hasattr(model, "request"):
        raise UsageError(
            f"the model is a {type(model).__name__}", next_step="give a pydantic-ai id or Model object"
        )
    if url is not None or api_key is not None:
        raise UsageError(
            "a Model object brings its own address and key", next_step="give its id, or leave url and api_key"
        )
    return Source(given=model, prefix=system, name=name)


def _providers() -> list[str]:
    """Return the providers that pydantic-ai knows, without importing it (0.4 s)."""
    spec = find_spec("pydantic_ai")
    folders = [Path(f) / "providers" for f in (spec and spec.submodule_search_locations) or ()]
    return [p.stem.replace("_", "-") for f in folders for p in f.glob("[a-z]*.py")]


def _family(prefix: str) -> str:
    for ending in ("-chat", "-responses", "-decisions"):
        if prefix.endswith(ending):
            return prefix.removesuffix(ending)
    return prefix


def _check_extra(source: Source) -> None:
    """Check that the whole extra is there, not only a part that another package brought."""
    wanted = ["pydantic_ai", "httpx2", "genai_prices"]
    if isinstance(source.given, str) and source.prefix is None:
        wanted.append("openai")
    for package in wanted:
        if find_spec(package) is None:
            raise _not_there(package)


def _not_there(package: str) -> UsageError:
    return UsageError(
        f"an llm decider needs the package {package!r}, which is not installed",
        next_step='pip install "answerable[llm]"',
    )


def check_settings(settings: Mapping[str, Any]) -> None:
    """Check that pydantic-ai knows these settings. Raises UsageError with what was probably meant.

    Those of one provider begin with its name; what its interface takes besides goes into `extra_body`.
    """
    kind = load("pydantic_ai.settings", extra="llm", purpose="an llm decider").ModelSettings
    known = kind.__required_keys__ | kind.__optional_keys__
    prefixes = {"decision", *(name.replace("-", "_") for name in _providers())}
    for name in settings:
        if name not in known and not any(name.startswith(f"{prefix}_") for prefix in prefixes):
            raise UsageError(
                f"the settings hold {name!r}, which pydantic-ai does not know",
                next_step=f'{did_you_mean(name, known)} what only the interface knows goes into "extra_body"',
            )


def _check_package(family: str) -> None:
    package = _PACKAGES.get(family)
    if package is None:
        return
    try:
        there = find_spec(package) is not None
    except ModuleNotFoundError:  # its parent package is missing
        there = False
    if not there and package == "openai":
        raise _not_there(package)
    if not there:
        raise UsageError(
            f"models of {family} need the package {package!r}, which is not installed",
            next_step=f'pip install "pydantic-ai-slim[{family}]"',
        )


def _check_url(url: str) -> None:
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("url is no http address", next_step='give "http://127.0.0.1:8080/v1"')
    if parts.username or parts.password or parts.query:
        raise UsageError(
            f"the url of {parts.hostname} holds more than an address, perhaps a secret",
            next_step='give the key as api_key="env:NAME"',
        )


def _check_reference(api_key: str | None) -> None:
    if api_key is None:
        return
    kind, colon, rest = str(api_key).partition(":")
    if (
        not colon
        or kind not in ("env", "file")
        or not rest
        or (kind == "env" and not _ENV_NAME.fullmatch(rest))
    ):
        raise UsageError(  # without the value: it may be the key itself
            "api_key is not a reference to a key",
            next_step='write api_key="env:NAME" or "file:PATH"; a key in code ends up in a repository',
        )


def read_key(reference: str | None) -> str | None:
    """Return the key that a reference names. Raises Faulted (auth) if it is not there."""
    if reference is None:
        return None
    kind, _, rest = reference.partition(":")
    if kind == "env":
        key = os.environ.get(rest, "")
    else:
        try:
            key = Path(rest).expanduser().read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            key = ""
    key = key.strip()
    if not key:
        raise Faulted(Fault(category="auth", reason=f"there is no key at {reference}"))
    if not (key.isascii() and key.isprintable()):  # a client's own error would show it
        raise Faulted(
            Fault(category="auth", reason=f"the key at {reference} holds characters that no header may carry")
        )
    return key


@dataclass(slots=True)
class _Held:
    model: Any
    client: Any  # ours, or None where the provider makes its own
    key: str | None
    users: int = 0


@dataclass(slots=True)
class Models:
    """Makes the model object of one source: one for each running loop, for as long as calls are in flight.

    A connection belongs to a loop. None is kept idle: a server may close it at any moment, and without
    retries inside the client that would look like a fault of the next call.
    """

    source: Source
    _held: "WeakKeyDictionary[Any, _Held]" = field(default_factory=WeakKeyDictionary, repr=False)

    def load(self) -> None:
        """Import what a call needs (about a second), so that no case's time is spent on it.

        On this thread: an import that goes on in another one while a server forks never ends in its child.
        Raises UsageError with the pip command if a package is missing or cannot be imported.
        """
        _check_extra(self.source)
        try:
            _make(self.source, _NO_KEY)
        except ImportError as exc:
            raise UsageError(
                f"an llm decider cannot be loaded: {type(exc).__name__}: {exc}",
                next_step='pip install --upgrade "answerable[llm]"',
            ) from exc
        except Exception:  # what else is wrong is told by the call, as a fault
            return

    @asynccontextmanager
    async def model(self) -> AsyncIterator[tuple[Any, str | None]]:
        """Yield the pydantic-ai Model for this loop, and the key it uses. Raises Faulted (auth) without one.

        Each call enters the model for itself: its provider counts, and closes what it made after the last.
        """
        if not isinstance(self.source.given, str):
            async with self.source.given as model:
                yield model, _key_of(model)
            return
        loop = asyncio.get_running_loop()
        key = read_key(self.source.api_key)
        held = self._held.get(loop)
        if held is None or held.key != key:  # a key that was renewed is used from the next call on
            model, client = _make(self.source, key)
            held = self._held[loop] = _Held(model, client, key)
        held.users += 1
        try:
            async with held.model:
                yield held.model, key or _key_of(held.model)
        finally:
            held.users -= 1
            if not held.users:
                if self._held.get(loop) is held:
                    del self._held[loop]
                if held.client is not None:
                    await held.client.aclose()


def _key_of(model: Any) -> str | None:
    """Return the key of a model that brought its own, as far as its client shows it."""
    key = getattr(getattr(model, "client", None), "api_key", None)
    return key if isinstance(key, str) and key != _NO_KEY else None


def _make(source: Source, key: str | None) -> tuple[Any, Any]:
    if not isinstance(source.given, str):
        return source.given, None
    models = load("pydantic_ai.models", extra="llm", purpose="an llm decider")
    load("pydantic_ai.direct", extra="llm", purpose="an llm decider")
    if source.prefix is None:
        chat = load("pydantic_ai.models.openai", extra="llm", purpose="an llm decider")
        compatible = load("pydantic_ai.providers.openai_compatible", extra="llm", purpose="an llm decider")
        client = _client(source, key)
        provider = compatible.OpenAICompatibleProvider(
            source.destination, base_url=source.url, api_key=key or _NO_KEY, http_client=client
        )
        return chat.OpenAIChatModel(source.name, provider=provider), client
    made: list[Any] = []

    def provider_of(name: str) -> Any:
        provider, client = _provider(source, name, key)
        made.append(client)
        return provider

    return models.infer_model(source.id, provider_factory=provider_of), made[0]


def _provider(source: Source, name: str, key: str | None) -> tuple[Any, Any]:
    providers = load("pydantic_ai.providers", extra="llm", purpose="an llm decider")
    kind = providers.infer_provider_class(name)
    known = inspect.signature(kind).parameters
    given: dict[str, Any] = {}
    base = source.url or HOSTS.get(source.family)
    if base is not None:
        if "base_url" not in known:
            raise Faulted(Fault(category="rejected", reason=f"{name} models have no address of one's own"))
        given["base_url"] = base
    if key is not None:
        given["api_key"] = key
    elif source.url is not None and "api_key" in known:
        given["api_key"] = _NO_KEY  # not the environment's: that one is for another place
    client = None
    if "httpx2" in str(known.get("http_client", "")) or "_OpenAIHTTPClient" in str(
        known.get("http_client", "")
    ):
        client = given["http_client"] = _client(source, key)
    user_error = load("pydantic_ai.exceptions", extra="llm", purpose="an llm decider").UserError
    try:
        return kind(**given), client
    except user_error as exc:
        wanted = re.findall(r"`([A-Z][A-Z0-9_]+)`", str(exc))
        told = f"set {' or '.join(dict.fromkeys(wanted))}" if wanted else "give api_key="
        raise Faulted(Fault(category="auth", reason=f"no credentials for {name}: {told}")) from exc


_tls_lock = threading.Lock()
_tls: list[Any] = []


def _client(source: Source, key: str | None) -> Any:
    """Return a new HTTP client. The TLS context is shared: reading the root certificates takes 20 ms.

    It follows no redirect, which could lead elsewhere than the record says, and a call to this machine
    takes no proxy that the environment names. Bodies are bounded, and so are the headers that leave.
    """
    httpx2 = load("httpx2", extra="llm", purpose="an llm decider")
    with _tls_lock:
        if not _tls:
            _tls.append(httpx2.create_ssl_context())
    return httpx2.AsyncClient(
        verify=_tls[0],
        follow_redirects=False,
        trust_env=not source.local,
        timeout=httpx2.Timeout(600.0, connect=10.0),
        limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100),
        event_hooks={
            "request": [sending(source.family, key=key, placeholder=_NO_KEY, own=source.url is not None)],
            "response": [looking(None if key == _NO_KEY else key)],
        },
    )
