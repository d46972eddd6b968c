# Every target does its own set-up. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"

# Some machines tell Python to keep no bytecode: each of hundreds of processes would then compile all of ours again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo demo-distributed servers test chaos check unit lint types contracts bench docs lock clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.runtime: requirements.lock pyproject.toml deploy/venv.sh
	@bash deploy/venv.sh $(PYTHON) $(VENV) requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@bash deploy/venv.sh $(PYTHON) $(VENV) requirements-dev.lock
	@touch $@

setup: $(VENV)/.runtime ## set up .venv, with .venv/bin/entra-syncro, and nothing else

demo: $(VENV)/.runtime ## the whole route on this machine, against simulated vendors (no server needed)
	@$(BIN)/entra-syncro demo $(ARGS)

demo-distributed: $(VENV)/.runtime servers ## the same on private RabbitMQ, Redis and PostgreSQL, two receivers and two workers
	@$(BIN)/python -m console.cli.demo.distributed $(ARGS)

servers: ## install RabbitMQ, Redis and PostgreSQL from Debian when missing (root); starts no service
	@bash deploy/servers.sh

check: $(VENV)/.dev ## the inner loop: lint, types, import contracts, unit tests, side by side (about a minute on 2 cores)
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint types contracts unit

lint: $(VENV)/.dev
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.dev
	@$(BIN)/mypy

contracts: $(VENV)/.dev
	@$(BIN)/lint-imports

unit: $(VENV)/.dev
	@$(BIN)/pytest -q -n 2 tests/unit

test: servers check ## check, then contract, integration and end-to-end tests, one kill per server (about 11 minutes on 2 cores)
	@$(BIN)/pytest -q -n 4 --dist load --maxschedchunk 1 tests/integration tests/contract  # the long ones first
	@$(BIN)/pytest -q -n 4 --dist loadfile tests/e2e
	@echo 'Not run: the rest of what kills, freezes, cuts and fills real servers. That is `make chaos`.'

chaos: $(VENV)/.dev servers ## all that kills, freezes, cuts and fills real servers, and the many-process stories (15 minutes)
	@$(BIN)/pytest -v -m 'chaos or every_run' tests

bench: $(VENV)/.dev ## figures on this machine; reports go to build/
	@$(BIN)/python -m tests.bench

docs: $(VENV)/.dev ## renew docs/settings.md from the settings
	@$(BIN)/python deploy/settings_page.py

lock: ## renew both lock files (needs uv)
	$(UV_COMPILE) pyproject.toml --extra install -o requirements.lock
	$(UV_COMPILE) pyproject.toml --extra install --extra dev -c requirements.lock -o requirements-dev.lock

clean: ## remove what was made
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache
