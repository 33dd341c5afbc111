# Everything a contributor runs. A new machine needs Python 3.11, git, make and gcc; the rest comes from
# requirements/*.txt, pinned by hash, into .venv.

PYTHON ?= python3
BIN := .venv/bin
BOOTSTRAP := pyproject.toml requirements/uv.txt tools/bootstrap.py

# Children start five times quicker with bytecode on the disk; machines for CI often forbid it for everything.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help test lint types unit crash docs generate demo bench hostkills dist requirements clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

test: lint types unit docs ## every gate; a change lands when this is green

lint: .venv/.dev ## ruff, import contracts, sizes, workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/contracts.py
	$(BIN)/python tools/sizes.py
	$(BIN)/python tools/forge.py

types: .venv/.dev ## mypy --strict
	$(BIN)/mypy fsm components tools tests $(wildcard benchmarks/*.py examples/*/*.py)

# What coverage measures: by name, so that children in other directories count as well.
MEASURED := $(shell ls -d fsm components/fsm_* | xargs -n 1 basename | paste -s -d ,)

unit: .venv/.dev ## all tests, and the coverage gates; PYTEST="-k name" narrows the tests (then the gates fail)
	@rm -rf build/coverage && mkdir -p build/coverage
	$(BIN)/coverage run --source=$(MEASURED) -m pytest -n auto $(PYTEST)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage json --quiet -o build/coverage/coverage.json
	$(BIN)/python tools/coverage_gate.py build/coverage/coverage.json

crash: .venv/.dev ## the whole crash matrix; the tests of every day take a sample of it
	FSM_CRASH=full $(BIN)/pytest -n auto -m crash $(PYTEST)

docs: .venv/.dev ## the documentation, into build/docs, warnings are errors
	$(BIN)/python tools/generate_docs.py --check
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs build/docs

generate: .venv/.dev ## rewrite the generated parts of the documentation
	$(BIN)/python tools/generate_docs.py

demo: .venv/.runtime ## a whole life of an app: update, kill -9, resume, roll back
	$(BIN)/python examples/demo/demo.py

bench: .venv/.bench ## the figures of docs/benchmarks.md
	$(BIN)/python -m benchmarks $(BENCH)

hostkills: .venv/.dev ## kill machines in the middle of updates, for docs/reliability.md (root, Docker; an hour)
	$(BIN)/python -m tests.hosts.kills --page $(KILLS)

dist: .venv/.runtime ## what a release of this project has, into dist/; the same bytes for the same commit
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python

# UPGRADE=--upgrade takes the newest versions; without it only what the .in files ask for changes.
COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
	--fork-strategy fewest --no-emit-index-url --custom-compile-command 'make requirements'

requirements: .venv/.runtime ## lock again; UPGRADE=--upgrade for newest versions
	$(COMPILE) $(UPGRADE) pyproject.toml requirements/build.in -o requirements/runtime.txt
	$(COMPILE) $(UPGRADE) -c requirements/runtime.txt requirements/uv.in -o requirements/uv.txt
	$(COMPILE) $(UPGRADE) -c requirements/runtime.txt pyproject.toml requirements/build.in requirements/dev.in \
		-o requirements/dev.txt
	$(COMPILE) $(UPGRADE) -c requirements/dev.txt requirements/bench.in -o requirements/bench.txt

.venv/.runtime: $(BOOTSTRAP) requirements/runtime.txt
	@$(PYTHON) tools/bootstrap.py runtime

.venv/.dev: $(BOOTSTRAP) requirements/dev.txt
	@$(PYTHON) tools/bootstrap.py dev

.venv/.bench: .venv/.dev requirements/bench.txt
	@$(PYTHON) tools/bootstrap.py bench

clean: ## remove what the targets above made
	rm -rf .venv build site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
