# The commands of this project. `make demo` and `make test` set up all they need inside this folder.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

demo: .venv/sandbox ## Start everything on this machine and open the desk; LAN=1 opens the desk to the network
	$(BIN)/python -m sandbox $(if $(LAN),--lan) $(ARGS)

test: .venv/dev ## Run all tests
	$(BIN)/pytest --numprocesses 2 --no-loadscope-reorder $(ARGS)

smoke: .venv/dev ## Drive the whole story through public interfaces, in a sandbox of its own
	$(BIN)/python -m tests.smoke

faults: .venv/dev ## Kill worker, act and clients at every named point, tell many stories over a bad network, race in the database
	FAULTS=all $(BIN)/pytest tests/faults/test_killed.py tests/faults/test_network.py tests/faults/test_down.py tests/sql/test_races.py tests/sql/test_moments.py $(ARGS)

endurance: .venv/dev ## Let the engine work for hours: 500 executions (RUNS=100 for fewer), payloads of every size, every ending
	$(BIN)/python -m tests.endurance
	ENDINGS=all $(BIN)/pytest tests/flow/test_endings.py

screenshots: .venv/dev ## Take a picture of every page, to be looked at before it is committed
	SHOTS=docs/screenshots $(BIN)/pytest tests/browser/test_every_page.py $(ARGS)

privileges: .venv/dev ## Write the tables of who may do what in the database anew, to be reviewed as a diff
	$(BIN)/python -m tests.support.privileges

bench-db: .venv/dev ## Measure the desk's lists at 1,000 and 100,000 incidents
	$(BIN)/python -m benchmarks.db

bench-engine: .venv/dev ## Measure the engine and what our client adds, and how soon all is up
	$(BIN)/python -m benchmarks.engine $(ARGS)

bench-desk: .venv/dev ## Measure how soon the desk shows, what it bears, and its pages with a long history
	$(BIN)/python -m benchmarks.desk $(ARGS)

wheel: .venv/build ## Build the wheel into dist/
	$(BIN)/pip wheel --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .

wheel-check: .venv/dev ## Install the built wheel elsewhere, set up an empty sandbox by it, and let an incident through
	IMAGE_STEPS=all $(BIN)/pytest tests/contract/test_image_steps.py
	$(BIN)/python -m tests.wheel_check

compose-env: ## Write .env for docker-compose.yml, with passwords made here
	@$(PYTHON) containers/compose_env.py

configure-doc: .venv/dev ## Write docs/configure.md anew from the settings
	$(BIN)/python -m tests.support.configure_doc

lint: .venv/dev ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A stamp per set of dependencies: installed once, and again when its lock changes.
.venv/%: requirements/%.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --require-hashes -r requirements/$*.txt
	$(BIN)/pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: help demo test smoke endurance bench-db bench-engine bench-desk privileges wheel wheel-check compose-env configure-doc lint faults screenshots
