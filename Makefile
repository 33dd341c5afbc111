# Everything a contributor runs. A new machine needs Python 3.11, git, make and gcc; the rest comes from
# requirements/*.txt, pinned by hash, into .venv.

PYTHON ?= python3
BIN := .venv/bin
BOOTSTRAP := pyproject.toml requirements/uv.txt tools/bootstrap.py

# Children start five times quicker with bytecode on the disk; machines for CI often forbid it for everything.
unexport PYTHONDONTWRITEBYTECODE

# COVERAGE=1 measures, by name, so that children in other directories count as well; `make gates` judges it.
MEASURED := $(shell ls -d fsm components/fsm_* | xargs -n 1 basename | paste -s -d ,)
PYTEST_RUN = $(BIN)/$(if $(COVERAGE),coverage run --source=$(MEASURED),python) -m pytest

# What the tests kill are processes: they lose nothing by not waiting for the disk.
ifeq ($(shell uname -s),Linux)
UNSYNCED := build/unsynced.so
PRELOAD := LD_PRELOAD=$(CURDIR)/$(UNSYNCED)
endif

.DEFAULT_GOAL := help
.PHONY: help quick quick-tests test test-hosts lint types unit crash fuzz gates docs generate demo bench boundary powercut sweep \
	hostkills report mutants mutation model dist requirements clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

quick: .venv/.dev $(UNSYNCED) ## lint, types, and the tests without processes and networks: a minute, for every change
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint types quick-tests

test: .venv/.dev ## all that needs neither root nor Docker; a change lands when this is green
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint types docs
	@$(MAKE) --no-print-directory unit

test-hosts: .venv/.dev ## what needs root, Docker, or a machine to kill; with `make test` these are all tests
	@mkdir -p build/coverage
	$(PYTEST_RUN) -n auto -m hosts $(PYTEST)

lint: .venv/.dev build/forge ## ruff, import contracts, sizes, workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/contracts.py
	$(BIN)/python tools/sizes.py

# Six seconds, so only where one of its files has changed.
build/forge: .venv/.dev tools/forge.py action.yml $(shell find .github -type f)
	$(BIN)/python tools/forge.py
	@mkdir -p build && touch $@

types: .venv/.dev ## mypy --strict
	$(BIN)/mypy fsm components tools tests $(wildcard benchmarks/*.py examples/*/*.py)

unit: .venv/.dev $(UNSYNCED) ## the tests of `make test`; PYTEST="-k name" narrows them
	@mkdir -p build/coverage
	$(PRELOAD) $(PYTEST_RUN) -n auto --dist loadgroup -m 'not hosts' $(PYTEST)

quick-tests: .venv/.dev $(UNSYNCED) ## the tests of `make quick`
	$(PRELOAD) $(PYTEST_RUN) -q -n 2 -m quick --hypothesis-profile=quick $(PYTEST)

crash: .venv/.dev $(UNSYNCED) ## the whole crash matrix; `make test` takes a sample of it
	FSM_CRASH=full $(PRELOAD) $(PYTEST_RUN) -n auto --dist loadgroup -m crash $(PYTEST)

gates: .venv/.dev ## the gates on coverage, over all that ran with COVERAGE=1
	@$(BIN)/coverage combine --quiet --keep
	@$(BIN)/coverage json --quiet -o build/coverage/coverage.json
	$(BIN)/python tools/coverage_gate.py build/coverage/coverage.json

mutants: .venv/.dev $(UNSYNCED) ## break the swap, the journal and the executor by hand: the tests must notice
	$(PRELOAD) $(BIN)/python tools/mutants.py

mutation: .venv/.dev $(UNSYNCED) ## break the machine in every small way: the tests must notice; hours; MUTATION="--sample 10 forward.py" for fewer
	$(PRELOAD) $(BIN)/python tools/mutation.py $(MUTATION)

model: .venv/.dev ## check the lifecycle's model with spin: dead ends, torn sets, undos done twice, circles (Debian's spin, gcc)
	$(BIN)/python tools/model.py

docs: .venv/.dev ## the documentation, into build/docs, warnings are errors
	$(BIN)/python tools/generate_docs.py --check
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs build/docs

generate: .venv/.dev ## rewrite the generated parts of the documentation
	$(BIN)/python tools/generate_docs.py

demo: .venv/.runtime ## a whole life of an app: update, kill -9, resume, roll back
	$(BIN)/python examples/demo/demo.py

bench: .venv/.bench ## the figures of docs/benchmarks.md
	$(BIN)/python -m benchmarks $(BENCH)

boundary: .venv/.dev ## attack components that belong to others, for docs/reliability.md (root, Docker; an hour); RUNS=50 SEED=7 for fewer
	$(BIN)/python -m tests.boundary --page --containers --runs $(or $(RUNS),2000) $(if $(SEED),--seed $(SEED))

powercut: .venv/.dev ## cut the power on four file systems, for docs/reliability.md (root; two hours); CUTS=50 SEED=7 for fewer
	$(BIN)/python -m tests.powercut --page --cuts $(or $(CUTS),500) $(if $(SEED),--seed $(SEED))

fuzz: .venv/.dev ## fuzz the product's readers, for docs/reliability.md (Linux); TARGET=manifest SECONDS=3600 for one, longer
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED)) $(TARGET)

sweep: .venv/.dev ## kill or refuse runs at their system calls, for docs/reliability.md (root; two hours); CASES=300 SEED=7 for fewer
	$(BIN)/python -m tests.sweep --page --cases $(or $(CASES),3000) $(if $(SEED),--seed $(SEED))

hostkills: .venv/.dev ## kill machines in the middle of updates, for docs/reliability.md (root, Docker; an hour); KILLS="--disk ext4"
	$(BIN)/python -m tests.hosts.kills --page $(KILLS)

report: .venv/.bench ## docs/reliability.md and docs/benchmarks.md from one commit (root, Docker; a day); REPORT="--share 0.01 sweep"
	$(BIN)/python -m tests.report $(REPORT)

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

build/unsynced.so: tests/unsynced.c
	@mkdir -p build
	$(CC) -O -shared -fPIC -o $@ $<

clean: ## remove what the targets above made
	rm -rf .venv build site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
