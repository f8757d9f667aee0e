# The task runner. `make` alone prints what there is; the same commands run locally and in CI.

SHELL := /bin/sh
BIN := .venv/bin
SEED ?= 1
BENCH ?= hotpath launch agent
# Which tests, as pytest takes it: a folder, a file, several of them.
TESTS ?=
# How many longer histories of each kind test-all goes through (tests/support/histories.py): 20, or all; else a tenth.
HISTORIES ?=
# Tests start a thousand processes, each of which would compile all that it imports once more.
unexport PYTHONDONTWRITEBYTECODE
# Two workers: the suite waits on processes and sockets more than it computes.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo check test test-all sim e2e bench docs dist testbed scenarios testbed-down lock clean
# The targets share .venv and the processor; -j gains nothing and would mix their output.
.NOTPARALLEL:

help: ## Print this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv and install what mesos-service needs (locked versions)
	@scripts/setup.sh runtime

setup-dev: ## The same, with what checks and tests need
	@scripts/setup.sh dev

demo: setup ## Start a master and three agents, walk the paper's example, tell the story
	@$(BIN)/mesos-service demo

check: setup-dev ## ruff, mypy and the house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/house

test: setup-dev ## Install the real parts, check, and run every test but the long ones, or only TESTS=tests/unit
	@scripts/install_real_parts.sh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) -m 'not long' $(TESTS)
	@scripts/report_not_run.sh

test-all: setup-dev ## The same with the long suites, scenarios and Vagrant too; all histories with HISTORIES=all
	@scripts/install_real_parts.sh all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) $(TESTS)
	@scripts/report_not_run.sh

sim: setup ## Run one simulated history: make sim SEED=7
	@$(BIN)/mesos-service simulate --seed $(SEED)

e2e: setup-dev ## Only the tests with real processes and real clients
	@scripts/install_real_parts.sh
	$(PYTEST) tests/e2e
	@scripts/report_not_run.sh

bench: setup ## Measure this machine: make bench BENCH="hotpath launch"
	@set -e; for name in $(BENCH); do $(BIN)/mesos-service bench $$name; done

docs: setup-dev ## Write the generated pages anew (docs/generated)
	$(BIN)/python -m mesos_service.documentation docs/generated
	$(BIN)/python -m tests.house.behaviours docs/generated
	$(BIN)/python scripts/role_readmes.py

dist: setup-dev ## Build the wheels, the source archive, and a wheelhouse for hosts without an index, into dist/
	rm -f dist/mesos_service-*.whl
	$(BIN)/python -m hatchling build
	scripts/platform_wheel.sh
	scripts/wheelhouse.sh

testbed: dist ## Three hosts on this computer (LXC, takes root), and a cluster on them
	$(BIN)/python -m vagrant.testbed up
	$(BIN)/python -m vagrant.testbed converge site

scenarios: testbed ## Break that cluster in every way there is a scenario for, and tell what happened
	$(BIN)/python -m vagrant.scenarios

testbed-down: setup-dev ## End those hosts and remove them
	$(BIN)/python -m vagrant.testbed down

# Hashes and versions only: no header and no annotation, so that no index's address gets into a file.
UV_COMPILE := $(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
lock: setup-dev ## Choose locked versions anew (needs uv: .venv/bin/pip install uv)
	$(UV_COMPILE) pyproject.toml requirements/build.in -o requirements/runtime.txt
	$(UV_COMPILE) pyproject.toml requirements/build.in --group dev -c requirements/runtime.txt -o requirements/dev.txt
	$(UV_COMPILE) requirements/clients.in --no-emit-package http-parser -o requirements/clients.txt
	$(UV_COMPILE) --no-deps requirements/mesos_cli.in -o requirements/mesos_cli.txt
	$(UV_COMPILE) --no-deps requirements/cook_executor.in -o requirements/cook_executor.txt
	$(UV_COMPILE) requirements/generators.in -o requirements/generators.txt

clean: ## Remove what the other targets made
	rm -rf .venv .venv-clients .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
