# codingbrain: `make` lists what there is to do. It needs Python 3.11 or later and nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --require-hashes --only-binary :all:
EDITABLE := $(PIP) install --quiet --no-deps --no-index --no-build-isolation --editable .
PYTEST := $(BIN)/python -m pytest
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

SLOW := -o faulthandler_timeout=1800
PARALLEL := --numprocesses 2 --dist loadfile
FAST := tests $(foreach part,house requirements smoke conformance security,--ignore=tests/$(part))
TOGETHER := $(PARALLEL) -m "not soak and not engines and not alone"

.DEFAULT_GOAL := help
.PHONY: help run install test accept check lint types layers rules smoke inspect conformance test-engines soak collections bench bench-quality coverage lock report clean
.DELETE_ON_ERROR:

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-22s %s\n", $$1, $$2 }'

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "codingbrain needs Python 3.11 or later; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.made pyproject.toml docker/requirements.lock docker/requirements-build.lock
	$(INSTALL) -r docker/requirements.lock -r docker/requirements-build.lock
	$(EDITABLE)
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml docker/requirements-dev.lock
	$(INSTALL) -r docker/requirements-dev.lock
	$(EDITABLE)
	@touch $@

run: $(VENV)/.runtime ## install what is needed, then serve on 127.0.0.1:8765
	@echo 'A client needs a token: $(BIN)/codingbrain token issue --client NAME'
	@echo 'Stop with Ctrl-C.'
	$(BIN)/codingbrain serve

install: $(VENV)/.dev ## install what development needs

test: $(VENV)/.dev ## the fast tests
	$(PYTEST) $(TOGETHER) $(FAST) --junitxml=reports/test.xml
	$(PYTEST) -m alone $(FAST) --junitxml=reports/test-alone.xml

accept: $(VENV)/.dev ## accept the present tool schemas, failures and settings as the golden ones
	ACCEPT=1 $(PYTEST) tests/golden

check: lint types layers rules ## lint, types, layers, house rules, requirements

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --output-format concise .

types: $(VENV)/.dev
	$(BIN)/pyright

layers: $(VENV)/.dev
	$(BIN)/lint-imports --no-logo

rules: $(VENV)/.dev
	$(PYTEST) tests/house tests/requirements --junitxml=reports/check.xml

smoke: $(VENV)/.dev ## build the wheel, install it elsewhere from the lock, use it as a client does
	$(PYTEST) $(SLOW) tests/smoke --ignore=tests/smoke/test_inspector.py --junitxml=reports/smoke.xml

inspect: $(VENV)/.dev ## call the server with the MCP inspector (fetched once from npm)
	$(PYTEST) $(SLOW) tests/smoke/test_inspector.py --junitxml=reports/inspect.xml

conformance: $(VENV)/.dev ## the official MCP conformance suite, through the gate (fetched once from npm)
	$(PYTEST) $(SLOW) tests/conformance --junitxml=reports/conformance.xml

test-engines: $(VENV)/.dev ## the contract suite on every engine, and every tool with every scope in every role
	$(PYTEST) $(PARALLEL) -m "not soak" tests/contract tests/security --junitxml=reports/engines.xml

soak: $(VENV)/.dev ## the tests that run for minutes
	$(PYTEST) $(SLOW) -m soak tests --junitxml=reports/soak.xml

collections: $(VENV)/.dev
	$(BIN)/python -m tests.quality.fetch

bench: collections ## latency, throughput and memory beside references taken on the same machine
	$(BIN)/python -m tests.bench.run $(ARGS)

bench-quality: collections ## retrieval quality beside grep and BM25
	$(BIN)/python -m tests.quality.run $(ARGS)

coverage: $(VENV)/.dev ## the fast tests with line and branch coverage, child processes included
	$(PYTEST) $(TOGETHER) $(FAST) --cov --cov-report=term --cov-report=xml --junitxml=reports/coverage-test.xml

lock: $(VENV)/.dev ## resolve the dependencies again; `make lock UPGRADE=--upgrade` takes the newest
	$(COMPILE) $(UPGRADE) pyproject.toml -o docker/requirements.lock
	$(COMPILE) $(UPGRADE) --group build -c docker/requirements.lock -o docker/requirements-build.lock
	$(COMPILE) $(UPGRADE) pyproject.toml --extra otlp --group dev -c docker/requirements.lock -c docker/requirements-build.lock -o docker/requirements-dev.lock

report: $(VENV)/.dev ## merge the suites' results into reports/summary.json
	$(BIN)/python -m tests.report reports

clean: ## remove what the targets above made, the data directory excepted
	rm -rf $(VENV) reports dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find server tools admin migrations tests -name __pycache__ -type d -prune -exec rm -rf {} +
