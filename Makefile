# Two commands on a fresh machine:  make studio  (set up, open the page)   make test  (set up, run every test)
VENV := .venv
BIN  := $(VENV)/bin
# The exact versions to install; empty: whatever pyproject.toml admits.
PINS := constraints.txt
RESOLUTION := highest
TORCH = $(shell sed -n 's/^ *"\(torch>=[^"]*\)".*/\1/p' pyproject.toml)
CONSTRAINED = $(if $(PINS),--constraint $(PINS))
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --resolution $(RESOLUTION) $(CONSTRAINED)
# Python keeps what it has compiled, whatever the machine says (Docker images often forbid it): a test run starts some
# two hundred processes, and each would compile PyTorch's and Gradio's thousands of files again.
export PYTHONDONTWRITEBYTECODE :=
# A process for each core, besides the one with the exports; four at the most, since each may hold a model. On two cores
# a third made it slower (18 minutes in place of 17). A file's tests share a studio and stay together.
PROCESSES = $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 4 ? n : 4)))
CORES = -n $(PROCESSES) --dist loadfile --no-loadscope-reorder
# The pages' scripts, and their checker, linter and formatter in one; it never needs the network.
SCRIPTS := studio/ui/assets studio/export/onnx/page
DENO := DENO_DIR=.cache/deno DENO_NO_UPDATE_CHECK=1 $(BIN)/deno
# The model to begin with, fetched once; STUDIO_MODEL=none begins with the small one that is bundled.
STUDIO_MODEL ?= UsefulSensors/moonshine-tiny
FETCHED = test '$(STUDIO_MODEL)' = none || test -e $(VENV)/.model || { $(BIN)/studio fetch '$(STUDIO_MODEL)' \
	&& touch $(VENV)/.model; } || echo "Not fetched now: the studio opens with its bundled model, and tries again next time."
# Core ML and ExecuTorch have an environment on top of the tests': transformers loads torchao wherever it finds it, which
# ExecuTorch brings, and every test would pay for that. The other exports share its process: converters load slowly.
PHONES := $(VENV)-phones
PACKAGES := import sysconfig; print(sysconfig.get_path('purelib'))
EXPORTS := $(filter-out tests/test_export_tab.py,$(wildcard tests/test_export_*.py))
# The first Python of a version that the packages support.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)

.PHONY: studio demo test tests exports thorough check types newest oldest pins clean
.DEFAULT_GOAL := studio

studio: $(VENV)/.studio
	@$(FETCHED)
	$(BIN)/studio ui $(ARGS)

demo: $(VENV)/.studio
	$(BIN)/studio demo $(ARGS)

# The three side by side: what checks types and what converts models for phones leaves a core to the others.
test: $(VENV)/.test
	$(MAKE) --jobs=3 check tests $(if $(ARGS),,exports)

tests: $(VENV)/.compiled $(VENV)/.node
	$(BIN)/python -m pytest $(CORES) $(if $(ARGS),$(ARGS),$(EXPORTS:%=--ignore=%))

# The exports, those for phones with their own packages: a part of `make test`.
exports: $(PHONES)/.test $(VENV)/.compiled $(VENV)/.node
	$(PHONES)/bin/python -m pytest $(EXPORTS) $(ARGS)

# What would make `make test` too long for every change: further variants, second ways through the page, many
# processes, lost machines, random kills.
thorough: $(VENV)/.compiled $(VENV)/.node $(VENV)/.transformers-js
	$(BIN)/python -m pytest $(CORES) -m thorough $(if $(ARGS),$(ARGS),$(EXPORTS:%=--ignore=%))
	$(if $(ARGS),,$(MAKE) exports ARGS='-m thorough')

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(DENO) lint --quiet --config .deno.jsonc $(SCRIPTS) tests/js
	$(DENO) fmt --quiet --config .deno.jsonc --check
	$(DENO) check --quiet --config .deno.jsonc --no-remote $(SCRIPTS)

# Write the types of what the server sends again: after a change of a model that the page reads.
types: $(VENV)/.test
	$(BIN)/python .ci/page_types.py

# The same tests on the newest versions that pyproject.toml admits, and the fast ones on the oldest.
newest:
	$(MAKE) test VENV=.venv-newest PINS=

oldest:
	$(MAKE) .venv-oldest/.test VENV=.venv-oldest PINS= RESOLUTION=lowest-direct
	.venv-oldest/bin/python -m pytest $(CORES) -m 'not slow and not browser and not thorough' $(ARGS)

# Renew constraints.txt and say what moved. PyTorch moves only if it is named: make pins ARGS=torch==2.14.1
pins: $(VENV)/bin/uv
	@PATH=$(BIN):$$PATH $(BIN)/python .ci/pins.py $(ARGS)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed: install one, or name it: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt install python3-venv"; exit 1; }

$(VENV)/bin/uv: $(VENV)/bin/python
	@$(BIN)/pip install --quiet --disable-pip-version-check $(CONSTRAINED) uv

# PyTorch by itself and first, for its size: a wheel that pip finds on this machine; else the build for this machine's
# GPU, or the one without CUDA, as uv detects it; else, where PyTorch's own index is out of reach, the usual build.
$(VENV)/.torch: $(VENV)/bin/uv $(PINS)
	@$(BIN)/python -c 'import torch' 2>/dev/null \
	|| { test $(RESOLUTION) = highest \
		&& $(BIN)/pip install --quiet --no-compile --no-index --no-deps $(CONSTRAINED) '$(TORCH)' 2>/dev/null; } \
	|| $(INSTALL) --torch-backend=auto '$(TORCH)' \
	|| $(INSTALL) '$(TORCH)'
	@touch $@

$(VENV)/.studio: $(VENV)/.torch pyproject.toml
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.torch pyproject.toml
	@$(INSTALL) --editable '.[test]'
	@touch $(VENV)/.studio $@

# What tests import is compiled once: their processes, which begin together, would each compile the same thousands of
# files. What is wrong with a test file is said when the tests run.
$(VENV)/.compiled: $(VENV)/.test
	@-$(BIN)/python -m pytest --collect-only --quiet > /dev/null
	@touch $@

# By pip, which sees that the other environment has the rest already, and compiles: what Python warns of meanwhile would
# end a test.
$(PHONES)/.test: $(VENV)/.test
	@$(BIN)/python -m venv --without-pip $(PHONES)
	@echo "import site; site.addsitedir('$$($(BIN)/python -c "$(PACKAGES)")')" > $$($(PHONES)/bin/python -c "$(PACKAGES)")/tests.pth
	@$(BIN)/pip --python $(PHONES)/bin/python install --quiet --disable-pip-version-check $(CONSTRAINED) \
		'speech-studio[coreml,executorch]'
	@touch $@

# What the page of an export takes along, and transformers.js (490 MB); without a network their tests are skipped.
DENO_INSTALL = mkdir -p .cache/$(1) && echo '{"private": true, "dependencies": {$(2)}}' > .cache/$(1)/package.json \
	&& (cd .cache/$(1) && DENO_DIR=../deno DENO_NO_UPDATE_CHECK=1 ../../$(BIN)/deno install --quiet --node-modules-dir=auto)

$(VENV)/.node: $(VENV)/.test
	@$(call DENO_INSTALL,node,"onnxruntime-web": "1.30.0") \
	&& touch $@ || echo "onnxruntime-web cannot be fetched now: the tests of the exported page are skipped."

$(VENV)/.transformers-js: $(VENV)/.test
	@$(call DENO_INSTALL,transformers-js,"@huggingface/transformers": "4.3.2") \
	&& touch $@ || echo "transformers.js cannot be fetched now: the tests of its lines are skipped."

clean:
	rm -rf $(VENV) $(PHONES) .venv-newest* .venv-oldest build dist *.egg-info
