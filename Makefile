# The commands of this repository. Each sets up what it needs in .venv, once; `make` alone lists them.

PORT ?= 8000
PYTEST_ARGS ?=
BENCH_ARGS ?=

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -q -rs --durations=5
export PORT

.DEFAULT_GOAL := help
.PHONY: help run test test-slow lint format spec bench docs lock clean setup-run setup-dev

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name what; do \
	  printf '%-18s%s\n' "$$name" "$$what"; done

run: setup-run ## talk with the demo agent: serves the page on PORT (8000 unless set)
	@exec $(BIN)/fullduplex web --port "$(PORT)"

test: setup-dev ## the tests, without the slow ones
	@tools/system_packages.sh chromium flite
	@$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-slow: setup-dev ## the longer proofs alone
	@tools/system_packages.sh chromium flite
	@$(PYTEST) -m slow $(PYTEST_ARGS)

lint: setup-dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup-dev ## lets ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# SPEC_FROM_LAST=1 reads the run just made instead of running the tests; UPDATE=1 enters newly proved rows.
spec: setup-dev ## which rows of the acceptance checklist the tests prove
	@if [ -z "$(SPEC_FROM_LAST)" ]; then $(PYTEST) $(PYTEST_ARGS); fi; \
	  tested=$$?; $(BIN)/python tools/spec.py $(if $(UPDATE),--update) && exit $$tested

bench: setup-dev ## the measurements, side by side with the peers
	@$(BIN)/python bench/run.py $(BENCH_ARGS)

docs: setup-dev ## runs the code in docs/ and README.md, and checks their links
	@$(PYTEST) tests/docs

lock: setup-dev ## writes the lock files from what is installed in .venv
	@$(BIN)/python tools/lock.py

clean: ## takes away .venv, caches and what tests left
	rm -rf .venv .spec .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

setup-run:
	@tools/setup.sh run

setup-dev:
	@tools/setup.sh dev
