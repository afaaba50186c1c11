# The README's two commands are `make demo` and `make test`. Each sets up what it needs, from nothing.

PYTHON := $(shell for p in $(ROSTRA_PYTHON) python3 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
IMAGE_PYTHON := 3.12
ROOMS := agents broker console groupchat protocol team
UV := $(shell command -v uv 2>/dev/null)

.PHONY: demo test chaos check format lock wheels bench bench-quick bench-peers bench-page clean help

help: ## what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## watch a team hold a conversation; needs no key
	@$(BIN)/rostra demo

test: $(VENV)/.dev ## the whole suite
	@$(BIN)/python -m compileall -q $(ROOMS)
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder $(TESTS)

chaos: $(VENV)/.dev ## the campaigns of docs/reliability.md (SIZE=ci or nightly), side by side; writes chaos.json
	@$(BIN)/python -m tests.campaigns --size $(or $(SIZE),ci) --streams $(or $(STREAMS),3) --json chaos.json

check: $(VENV)/.dev ## format, lint, types, layers, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/check.py

format: $(VENV)/.dev ## let ruff format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

wheels: $(VENV)/.made ## fetch the wheels that an image is built from without a network
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	$(BIN)/python -m pip download -q --disable-pip-version-check --require-hashes --only-binary :all: --python-version $(IMAGE_PYTHON) -d wheels -r requirements.lock
	$(BIN)/python -m pip download -q --disable-pip-version-check --only-binary :all: -d wheels hatchling

bench: $(VENV)/.dev ## measure beside the floors, print the table, write benchmarks.json (10 minutes)
	$(BIN)/python -m benchmarks --json benchmarks.json

bench-quick: $(VENV)/.dev ## two minutes of it, for CI: prints the ratios, asserts nothing
	$(BIN)/python -m benchmarks --quick

bench-peers: $(VENV)/.dev ## the same beside the peers, each installed in an environment of its own
	$(BIN)/python -m benchmarks --peers --json benchmarks.json

bench-page: $(VENV)/.dev ## measure everything and write docs/performance.md
	$(BIN)/python -m benchmarks --peers --json benchmarks.json --write docs/performance.md

lock: ## renew the locks (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --group dev pyproject.toml -o requirements-dev.lock

clean: ## forget the virtual environment and the caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "rostra needs Python 3.11 or newer; none was found on PATH (set ROSTRA_PYTHON to one)" >&2; exit 1; }
ifneq ($(UV),)
	@uv venv -q --clear --python $(PYTHON) $(VENV)
else
	@$(PYTHON) -m venv --clear $(VENV) || { echo "this Python cannot make virtual environments (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
endif
	@touch $@

ifneq ($(UV),)
INSTALL = uv pip install -q --python $(BIN)/python
else
INSTALL = $(BIN)/python -m pip install -q --disable-pip-version-check
endif

$(VENV)/.runtime: $(VENV)/.made requirements.lock pyproject.toml
	@echo "setting up .venv (once) ..."
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@
