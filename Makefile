# Everything a newcomer needs is `make demo` and `make test`; both set up first.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
# A file's tests stay together, so that what they share is set up once.
TESTS := pytest -n 3 --dist loadfile --no-loadscope-reorder -q
STAMP := .venv/.stamp
SOFTHSM := .tools/softhsm
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test damage fuzz soak check check-text check-types check-literals bench coverage reference lock wheel

help: ## print this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) $(SOFTHSM) ## build .venv from the hashed lock, and fetch what only tests need

$(STAMP): requirements-dev.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes --requirement requirements-dev.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Where the packages cannot be had, an installed SoftHSM does as well; the tests say what they miss.
$(SOFTHSM):
	tests/tools/fetch_softhsm.sh || echo 'no SoftHSM in .tools: tests of PKCS#11 need the package softhsm2' >&2

demo: $(STAMP) ## see organisations exchange personal information under the real law (1 minute)
	$(BIN)/sekisho demo

test: $(STAMP) $(SOFTHSM) ## run every test there is
	$(BIN)/python -m $(TESTS)

damage: $(STAMP) ## make the set of damaged bundles, each named by both verifiers (TO=folder)
	@$(BIN)/python -m tests.damage $(TO)

fuzz: $(STAMP) ## feed every parser a million inputs under coverage guidance (INPUTS=n SEED=n)
	@$(BIN)/python -m tests.fuzz --inputs $(or $(INPUTS),1000000) --seed $(or $(SEED),1)

soak: $(STAMP) ## kill processes and break lines under load, and judge every round (MINUTES=n SEED=n)
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1)

check: $(STAMP) ## lint, types twice, import contracts, SQL, spelling, dead code, dependencies
	@$(MAKE) --no-print-directory --output-sync -j 2 check-literals check-types check-text

check-text: # what reads files only: seconds
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/squawk gateway/storage/migrations/*.sql
	$(BIN)/codespell
	$(BIN)/vulture
	$(BIN)/deptry .

check-types: # the gate: strict, tests too
	$(BIN)/mypy

check-literals: # the second opinion, and the one that holds LiteralString for SQL
	$(BIN)/basedpyright

bench: $(STAMP) ## measure the cryptographic floor, the provider and whole exchanges
	$(BIN)/sekisho bench floor
	$(BIN)/sekisho bench provider
	$(BIN)/sekisho bench exchange

coverage: $(STAMP) $(SOFTHSM) ## run every test under coverage and hold the floors
	$(BIN)/coverage erase
	$(BIN)/coverage run -m $(TESTS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=90
	$(BIN)/coverage report --fail-under=100 --include='codes/*,policies/*.py,policies/importer/*.py,gateway/domain/*,gateway/records/*'

wheel: $(STAMP) ## build the wheel and look into it
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .
	$(BIN)/check-wheel-contents dist/*.whl

reference: $(STAMP) ## write docs/reference anew from the code
	$(BIN)/python -m tests.tools.reference

lock: ## pin every requirement again, with hashes and without any index
	$(COMPILE) --extra dev pyproject.toml -o requirements-dev.lock
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --extra pkcs11 pyproject.toml -o requirements-pkcs11.lock
	grep -oE 'hatchling==[0-9.]+' pyproject.toml | head -n 1 | $(COMPILE) - -o requirements-build.lock
