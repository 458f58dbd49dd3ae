# Two commands for a newcomer: `make demo` and `make test`. Everything lands in $(VENV).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2 # tests side by side; a file's tests stay together

.PHONY: demo test soak audit lock check format clean

demo: $(VENV)/.installed
	$(BIN)/r3d-tui demo

test: $(VENV)/.installed-dev check
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

soak: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m soak --durations=0

audit: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet pip-audit==2.10.1
	$(BIN)/python tools/audit.py

lock: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet uv
	PATH="$(BIN):$$PATH" $(BIN)/python tools/lock.py

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.installed: pyproject.toml setup.py requirements.lock $(wildcard backends/*/*.[ch])
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.lock
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info backends/*/*.so
