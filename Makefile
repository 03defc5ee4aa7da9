# Two commands matter: `make demo` and `make test`. Each sets up what is missing first.
SHELL := /bin/bash
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UI_READY := src/poise/api/static/.sources.sha256
UI_SOURCES := $(shell find ui -type f -not -path '*/node_modules/*' 2>/dev/null) scripts/build_dashboard.py

.PHONY: setup demo live test campaign lint format types bench clean

setup: $(READY) $(UI_READY)

$(READY): requirements/dev.txt pyproject.toml
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Poise needs Python 3.11 or newer; this is $$($(PY) --version). Set PY=python3.12, say."; exit 2; }
	test -x $(BIN)/python || $(PY) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	SKIP_UI=1 $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(UI_READY): $(READY) $(UI_SOURCES)
	$(BIN)/python scripts/build_dashboard.py
	@touch $@

demo: setup
	$(BIN)/poise demo $(ARGS)

live: setup
	$(BIN)/poise live $(ARGS)

test: setup lint
	$(BIN)/python scripts/check_dashboard.py
	$(BIN)/python -m pytest --durations=15

campaign: setup
	$(BIN)/python -m pytest -m campaign --timeout 0 -rA | tee campaign-results.txt

lint: $(READY)
	$(BIN)/ruff check src tests bench scripts
	$(BIN)/ruff format --check src tests bench scripts
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY)
	$(BIN)/ruff format src tests bench scripts
	$(BIN)/ruff check --fix src tests bench scripts

types: $(READY)
	$(BIN)/python -m poise.api.typescript > ui/src/contract.ts

bench: setup
	for script in bench/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) ui/node_modules src/poise/api/static .mypy_cache .ruff_cache .pytest_cache
