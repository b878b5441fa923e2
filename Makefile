# What a person types here. A fresh machine needs Python 3.11 or newer, make and git; the rest goes into .venv.

PYTHON ?= $(shell for candidate in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$candidate" && break; done)
VENV ?= .venv
WORKERS ?= auto

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo first-run test deep fuzz check check-static format clean browser

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(INSTALLED) ## Make .venv and install Zaxy into it with the development tools

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Zaxy needs Python 3.11 or newer: install it, or name it with make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(BIN)/python" -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear "$(VENV)"
	@echo "Installing Zaxy and its tools into $(VENV)"
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch "$@"

demo: $(INSTALLED) ## Remember this repository in a temporary loom, ask it three questions, verify it
	@ZAXY="$(abspath $(BIN))/zaxy" sh scripts/demo.sh

first-run: ## Be a new user: install into an empty environment, type the README's first steps, time each
	@test -n "$(PYTHON)" || { echo "Zaxy needs Python 3.11 or newer" >&2; exit 1; }
	@"$(PYTHON)" scripts/first_run.py

test: $(INSTALLED) ## Run the tests
	"$(BIN)/python" -m pytest --quiet --numprocesses $(WORKERS) --dist worksteal

deep: $(INSTALLED) ## Run the full numbers of docs/trust.md, about 40 minutes on two idle cores by estimate, and write them into that page
	@PYTHON="$(abspath $(BIN))/python" sh scripts/deep.sh
	"$(BIN)/python" scripts/trust_page.py build/trust.json docs/trust.md

fuzz: $(INSTALLED) ## Fuzz the parsers, guided by coverage, for one hour of processor time
	"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --editable ".[fuzz]"
	"$(BIN)/python" scripts/fuzz.py --seconds 3600

browser: $(INSTALLED) ## Look at the viewer and the dashboard in a real browser (Chromium from Debian, installed where it is missing)
	@PYTHON="$(abspath $(BIN))/python" sh tests/browser/run.sh

check-static: $(INSTALLED) ## Format, ruff, mypy --strict and import contracts, without the tests
	"$(BIN)/python" -m ruff format --check .
	"$(BIN)/python" -m ruff check .
	"$(BIN)/python" -m mypy
	"$(BIN)/lint-imports" --no-logo

check: check-static test ## All of the above: what has to pass before a change lands

format: $(INSTALLED) ## Rewrite the code in house format
	"$(BIN)/python" -m ruff check --fix-only .
	"$(BIN)/python" -m ruff format .

clean: ## Remove .venv, caches and build results; a loom is never touched
	rm -rf "$(VENV)" build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
