# make train: set up and train on handwritten digits. make test: set up and test.
CONFIG ?= config.yml
BIN := .venv/bin

# The first interpreter that runs and is one of those that TensorFlow has wheels for. A name
# that is found but does not run, as a version manager's shim may be, is passed over.
PYTHONS := python3.12 python3.13 python3.11 python3.10 python3 python
SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
FOUND := $(shell for python in $(PYTHONS); do \
	$$python -c '$(SUPPORTED)' >/dev/null 2>&1 && echo $$python && break; done)
PYTHON ?= $(FOUND)

# With uv installed, uv makes the environment, and fetches a Python where none is found.
UV := $(shell command -v uv 2>/dev/null)
ifneq ($(UV),)
PYTHON := $(if $(PYTHON),$(PYTHON),3.12)
INSTALL := $(UV) pip install --quiet --python $(BIN)/python
else
INSTALL := $(BIN)/python -m pip install --quiet
endif

.PHONY: train test lint types docs tensorboard clean

train: .venv/.installed
	$(BIN)/python main.py --config $(CONFIG)

# What every change must pass.
test: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/pyright
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist worksteal

# Repair what can be repaired by itself.
lint: .venv/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/.installed-dev
	$(BIN)/pyright

docs: .venv/.installed-dev
	$(BIN)/mkdocs build --strict

tensorboard: .venv/.installed
	$(BIN)/tensorboard --logdir runs

clean:
	rm -rf .venv

# The stamps are written last: an installation that was interrupted is done again.
.venv/.installed: requirements.txt pyproject.toml
ifneq ($(UV),)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
else
	$(if $(PYTHON),,$(error no Python 3.10 to 3.13 found; try make PYTHON=/path/to/python))
	@$(PYTHON) -c '$(SUPPORTED)' || \
		{ echo "error: PYTHON=$(PYTHON) must be Python 3.10 to 3.13" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(INSTALL) --upgrade pip
endif
	$(INSTALL) -r requirements.txt --editable .
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.txt requirements-docs.txt requirements-serve.txt
	$(INSTALL) -r requirements-dev.txt
	@touch $@
