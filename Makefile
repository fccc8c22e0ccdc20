# `make demo` and `make test` work on a fresh machine with python >= 3.11; everything lands in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# A test or a worker uses one thread; workers, not threads, share the cores.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: demo test soak lint check bench docs picture constraints secrets audit clean

demo: $(VENV)/installed
	$(BIN)/tuner run examples/digits.yaml

test: $(VENV)/installed-dev
	$(ONE_THREAD) $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

# An hour or more: hundreds of kills over a sweep, thousands of broken specs; what `make test` does a little of.
soak: $(VENV)/installed-dev
	$(ONE_THREAD) $(BIN)/python -m pytest tests/soak -o python_files='soak_*.py' -s
	$(ONE_THREAD) TUNER_SOAK_EXAMPLES=300 $(BIN)/python -m pytest tests/service/test_service_schema.py --timeout=7200

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

# The short ones first; all of it takes some two hours on two cores, and wants a machine with nothing else to do.
bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks.orchestration
	$(BIN)/python -m benchmarks.service
	$(BIN)/python -m benchmarks.optimizer_step
	$(BIN)/python -m benchmarks.engine_refill
	$(BIN)/python -m benchmarks.prefix_sharing
	$(BIN)/python -m benchmarks.engine_start
	$(BIN)/python -m benchmarks.sweep
	$(BIN)/python -m benchmarks.outage
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.engine_throughput

$(VENV)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tuner needs python >= 3.11; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/python
	$(PIP) install --constraint constraints.txt --editable '.[sweeps,service]'
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) install --constraint constraints.txt --editable '.[sweeps,dev]'
	touch $@

$(VENV)/installed-bench: $(VENV)/installed-dev
	$(PIP) install --constraint constraints.txt --editable '.[sweeps,dev,benchmarks]'
	touch $@

docs: $(VENV)/installed-dev
	$(BIN)/python -m tuner.reference docs

# What docs/service.md shows; wants Chromium.
picture: $(VENV)/installed-dev
	$(ONE_THREAD) $(BIN)/python tests/service/picture.py docs/images/service.png

constraints: $(VENV)/installed-bench
	(echo "# Every dependency of the install that 'make' does, pinned. Renewed by 'make constraints'."; \
	 $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu//') > constraints.txt

# What docker-compose.yml reads; those that are there stay.
secrets:
	deploy/make-secrets

# Known weaknesses of what is pinned, as PyPI tells them.
audit:
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip --disable-pip-version-check --quiet install pip-audit
	build/audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
