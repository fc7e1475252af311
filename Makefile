# Everything runs inside .venv; `make` alone lists what there is to do.
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export GX_ANALYTICS_ENABLED := false
READY := $(VENV)/.ready
EXTRAS := $(VENV)/.extras
# One more than two cores: some tests wait. Files in the order of collection, for the longest come first there.
# Only our plugins: of all that libraries bring along, pytest would rewrite each module in every worker.
PYTEST = PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 pytest -p xdist -p _hypothesis_pytestplugin -n $(or $(JOBS),3) --dist loadfile --no-loadscope-reorder
# For 3.11 and later whichever runs it, and one version of each package for all of them.
LOCK = $(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-emit-index-url --no-header
ROUNDS ?= 21

.DEFAULT_GOAL := help
.PHONY: help setup extras repro test test-fast bench torture audit valid check ui lock

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 11

$(VENV)/bin/uv:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed; name one with: make PYTHON=python3.12") if not (3, 11) <= sys.version_info < (3, 14) else None'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check uv

# Bytecode is compiled once, here: imports take three times as long where Python may not write it later.
$(READY): requirements.txt pyproject.toml | $(VENV)/bin/uv
	uv pip sync -q --compile-bytecode --python $(VENV)/bin/python --require-hashes requirements.txt $(if $(wildcard $(EXTRAS)),requirements-extras.txt)
	uv pip install -q --python $(VENV)/bin/python --no-deps --no-build-isolation -e .
	touch $@

$(EXTRAS): requirements-extras.txt $(READY)
	uv pip install -q --compile-bytecode --python $(VENV)/bin/python --require-hashes --no-deps -r requirements-extras.txt
	touch $@

setup: $(READY)  ## create .venv with the locked packages

extras: $(EXTRAS)  ## add the packages of every optional extra: annotations, cluster, publish, s3, server

repro: setup  ## rebuild the study: every stage, then the results table; stages at once: make repro JOBS=2
	@calse unlock
	@calse repro $(if $(JOBS),--jobs $(JOBS))
	@calse track sync
	@calse show

test: setup  ## run the tests: 4.5 to 7 minutes on two cores
	$(PYTEST)

test-fast: setup  ## run those that need no torch, MLflow, models or second process: half a minute
	$(PYTEST) --fast

bench: setup  ## time every part against its peer and limit (about 10 minutes; 4 with ROUNDS=3)
	python -m benchmarks compare --rounds $(ROUNDS)

torture: setup  ## hostile videos, two at once, starved, killed in every stage, nodes of a cluster killed
	python -m torture garbage
	python -m torture together
	python -m torture starved
	python -m torture kills
	python -m torture nodes

audit: setup  ## ask PyPI whether a locked package has a known vulnerability; a package that it cannot ask about is an error
	uv tool run -q pip-audit --strict --require-hashes --disable-pip -r requirements.txt

valid: extras  ## ask the validators of Croissant, CFF and RO-Crate (asks w3id.org) about a published folder: make valid OUT=FOLDER
	mlcroissant validate --jsonld $(OUT)/croissant.json
	uv tool run -q cffconvert --validate -i $(OUT)/CITATION.cff
	uv tool run -q --from roc-validator rocrate-validator validate --no-paging -p provenance-run-crate-0.5 $(OUT)

check: setup  ## format, lint, types
	ruff format --check .
	ruff check .
	mypy

ui: setup  ## open the MLflow UI on the table of trainings
	calse ui

lock:  ## resolve requirements.txt and requirements-extras.txt afresh from pyproject.toml
	$(LOCK) --extra dev pyproject.toml -o requirements.txt
	$(LOCK) --all-extras -c requirements.txt pyproject.toml -o requirements-extras.txt
