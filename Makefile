# make smoke: the whole benchmark, small, from a fresh clone.   make test: all tests.
# The first that works; Debian's may lack what makes a virtual environment.
PYTHON ?= $(shell for p in python3.11 python3.12; do $$p -c 'import ensurepip' 2>/dev/null && echo $$p && break; done)
VENV := .venv
CORES ?= 2
BIN := $(VENV)/bin
# pip compiles on install; jobs then start in seconds.
export PATH := $(CURDIR)/$(BIN):$(PATH)
SMOKE := --configfile workflow/tiers/smoke.yaml

.PHONY: setup smoke unit test slurm-test lint docs bench clean
.DELETE_ON_ERROR:

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	$(if $(PYTHON),,$(error This needs Python 3.11 or 3.12 with its venv module (PYTHON=... names one)))
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

smoke: setup
	snakemake all --cores $(CORES) $(SMOKE)
	@printf '\nDone. Open these:\n  report   results/smoke/report.html\n  figures  results/smoke/figures/\n  tables   results/smoke/tables/controls.md and its neighbours\n'

test: setup lint docs unit
	pytest -n $(CORES) --dist loadfile tests/workflow

unit: setup
	OMP_NUM_THREADS=1 pytest -n $(CORES) --dist loadfile tests/unit

# Starts a one-node SLURM on this machine: root, and Debian's slurm-wlm and munge.
slurm-test: setup
	pytest -m slurm -rs tests/slurm

lint: setup
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check workflow
	snakemake --lint $(SMOKE)

docs: setup
	qr report -c config.yaml -c workflow/tiers/cpu-v2.yaml --metrics results/cpu-v2/metrics \
	    --manifest results/cpu-v2/manifest.json --pictures results/cpu-v2/pictures --alone --out docs/_extra/report.html
	rm -rf docs/_build # what is left of an earlier build has links that no longer lead anywhere
	sphinx-build -W --keep-going -q -b html docs docs/_build
	python docs/links.py docs/_build

bench: setup
	OMP_NUM_THREADS=1 pytest -s --benchmark-only --benchmark-quiet tests/benchmarks

clean:
	rm -rf .venv .venv-* runs/smoke results/smoke .snakemake docs/_build docs/_extra docs/api
