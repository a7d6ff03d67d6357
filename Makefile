# Two commands on a fresh machine:  make studio  (set up, open the page)   make test  (set up, run every test)
VENV := .venv
BIN  := $(VENV)/bin
TORCH := torch>=2.6,<3
# A process for each core, four at the most: each may hold a model. A file's tests share a studio and stay together.
CORES := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# The first Python of a version that the packages support.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)

.PHONY: studio demo test thorough check clean
.DEFAULT_GOAL := studio

studio: $(VENV)/.studio
	$(BIN)/studio ui $(ARGS)

demo: $(VENV)/.studio
	$(BIN)/studio demo $(ARGS)

test: $(VENV)/.test check
	$(BIN)/python -m pytest $(CORES) $(ARGS)

# What would make `make test` too long for every change: many processes, lost machines, random kills.
thorough: $(VENV)/.test
	$(BIN)/python -m pytest -m thorough $(ARGS)

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed: install one, or name it: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt install python3-venv"; exit 1; }

# PyTorch by itself and first, for its size: a wheel that pip finds on this machine; else the build for this machine's
# GPU, or the one without CUDA, as uv detects it.
$(VENV)/.torch: $(VENV)/bin/python
	@$(BIN)/python -c 'import torch' 2>/dev/null \
	|| $(BIN)/pip install --quiet --no-index '$(TORCH)' --no-deps 2>/dev/null \
	|| { $(BIN)/pip install --quiet uv && $(BIN)/uv pip install --python $(BIN)/python --torch-backend=auto '$(TORCH)'; }
	@touch $@

$(VENV)/.studio: $(VENV)/.torch pyproject.toml
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.studio
	$(BIN)/pip install --quiet --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
