# make train: set up and train on the embedded digits. make test: set up and test.
PYTHON ?= python3
CONFIG ?= config.yml
BIN := .venv/bin

.PHONY: train test lint tensorboard clean

train: .venv/.installed
	$(BIN)/python main.py --config $(CONFIG)

test: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist worksteal

lint: .venv/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

tensorboard: .venv/.installed
	$(BIN)/tensorboard --logdir runs

clean:
	rm -rf .venv

# The stamps are written last: an installation that was broken off is done again.
.venv/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 12) else "error: Python %d.%d: TensorFlow needs Python 3.10 to 3.12; try make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@
