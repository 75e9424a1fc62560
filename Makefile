# `make report`, `make laptop`, `make full` and `make test`. They install everything they need into .venv.
.PHONY: report pairs laptop full paper after losses rehearsal test unit test-rehearsal test-faults test-cluster docs
.PHONY: docs/faults.md
.PHONY: bench lint lock wheelhouse browser slurm clean help

ENV := .venv/installed
BIN := .venv/bin
# The Python that .venv is made with.
PYTHON := python3
# Where `make wheelhouse` has filled this folder, software comes from there alone.
OFFLINE := $(if $(wildcard wheelhouse),--no-index --find-links wheelhouse)
UV := uv==0.13.8
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Only this environment counts: a package that lies elsewhere on the machine is not seen.
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH
# Compiled modules are kept: to compile what it imports is half of a job's start.
unexport PYTHONDONTWRITEBYTECODE

# Snakemake's report is written when a job has run since (the page of the run is always the last),
# or the captions or rules have changed; whole or not at all.
define write_report
@if [ ! -e results/report.zip ] || [ -n "$$(find results/methods.html Snakefile rules report \
  -newer results/report.zip -print -quit)" ]; then \
  echo "snakemake $(1) --report results/report.zip"; \
  mkdir -p results/unfinished \
    && snakemake $(1) --report results/unfinished/report.zip \
    && mv results/unfinished/report.zip results/report.zip && rmdir results/unfinished; \
fi
endef

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-13s %s\n", $$1, $$2}' Makefile

report: $(ENV)  ## run the default configuration; write results/index.html and results/report.zip
	@python scripts/sources/fetch_released.py
	snakemake
	$(call write_report,)

pairs: $(ENV)  ## measure your own pairs (config/own_pairs.yaml) alone; write results/pairs.html
	snakemake --configfile config/own_pairs.yaml

laptop: $(ENV)  ## the paper's own numbers without a GPU: internet, four cores, 80 minutes
	@python scripts/sources/fetch_released.py
	snakemake --configfile config/full.yaml config/laptop.yaml
	$(call write_report,--configfile config/full.yaml config/laptop.yaml)

full: $(ENV)  ## everything with the paper's own models and data: internet, a GPU, 60 GB of disk
	@python scripts/sources/fetch_released.py
	snakemake --configfile config/full.yaml
	$(call write_report,--configfile config/full.yaml)

# The former name.
paper: full

after: $(ENV)  ## compare all methods that move the gap (config/after.yaml): 10 minutes; write results/after/methods.csv
	@python scripts/sources/fetch_released.py
	snakemake --configfile config/after.yaml -- results/after/methods.csv

losses: $(ENV)  ## compare all losses of follow-up papers (config/losses.yaml): 8 core-hours
	snakemake --configfile config/losses.yaml -- results/after/losses.csv results/after/xor.csv

rehearsal: $(ENV)  ## run the rules of `make full` on small archives in the official formats
	python tests/rehearsal.py

test: $(ENV)  ## run all tests except those of test-rehearsal, test-faults and test-cluster
	python -m pytest --numprocesses auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder \
	  --durations=25

unit: $(ENV)  ## run only the unit tests
	python -m pytest --numprocesses auto --maxprocesses 4 tests/unit

docs: $(ENV)  ## write the documentation's pages into site/
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

test-rehearsal: $(ENV)  ## run only the tests of the paper's own configuration, on small archives
	python -m pytest -m rehearsal

test-cluster: $(ENV)  ## run only the tests on a real one-node SLURM
	python -m pytest -m cluster

test-faults: $(ENV)  ## run only the tests that kill runs, fill a disk, give bad files; some need root
	python -m pytest -m faults

docs/faults.md: $(ENV)
	MODALITY_GAP_WRITE_DOCS=1 python -m pytest -m faults

# PLW1514: a text file is read and written in UTF-8, whatever the machine's language.
lint: $(ENV)  ## check style, types, spelling and workflows
	ruff check .
	ruff check --preview --select PLW1514 scripts
	ruff format --check .
	snakefmt --check Snakefile rules workflow
	snakemake --lint
	mypy
	codespell
	yamllint --strict .
	actionlint .github/workflows/*.yml

BENCHES := loss_sweep cosines parquet_mean parts growth extract decode runtimes overhead dag load digits

bench: $(ENV)  ## measure speed and scale on an idle machine; write results/bench.html
	@for name in $(BENCHES); do echo "== $$name"; python benchmarks/$$name.py || exit 1; done
	@python benchmarks/plot.py
	@python benchmarks/page.py
	@python benchmarks/scale.py

lock: $(ENV)  ## resolve requirements.in into the hashed lock requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url requirements.in --output-file requirements.txt

# connection-pool has no wheel: setuptools builds it.
wheelhouse: $(ENV)  ## download into wheelhouse/ the software for a machine without a network
	python -m pip download --quiet --no-deps --require-hashes --dest wheelhouse \
	  --requirement requirements.txt
	python -m pip download --quiet --dest wheelhouse $(UV) 'setuptools>=77'

browser:  ## install Chromium and Firefox, which the browser tests drive (Debian, as root)
	apt-get update --quiet
	apt-get install --yes --quiet --no-install-recommends chromium firefox-esr

slurm:  ## install the SLURM that the cluster tests start (Debian, as root); nothing is configured
	apt-get update --quiet
	apt-get install --yes --quiet --no-install-recommends munge slurm-wlm

clean:  ## remove what runs made; downloads, benchmark results and the environment stay
	@[ ! -L results ] || [ -d results ] || { echo "results is a link to $$(readlink results)," \
	  "which is not there; correct or remove the link." >&2; exit 1; }
	@[ ! -d results ] || find results/ .snakemake -type l ! -path 'results/bench*' 2>/dev/null \
	  | while read -r link; do echo "$$link is a link to $$(readlink "$$link"): the link is removed," \
	  "the files there stay."; done
	[ ! -d results ] || find results/ -mindepth 1 ! -name README.md ! -name bench \
	  ! -path 'results/bench/*' ! -name bench.html -delete
	rm -rf .snakemake

$(ENV): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' \
	  || { echo "Python 3.11 to 3.14 is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1);" \
	  "give another one, as in make PYTHON=python3.13." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] == (3, 14))' || command -v cc >/dev/null \
	  || { echo "Python 3.14 needs a C compiler, because the package immutables has no wheel for it;" \
	  "install one, or give an older Python, as in make PYTHON=python3.13." >&2; exit 1; }
	@if [ -L .venv ]; then echo ".venv is a link to $$(readlink .venv), which make would clear;" \
	  "remove the link, or install requirements.txt there yourself and touch .venv/installed." >&2; \
	  exit 1; fi
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(OFFLINE) $(UV)
	$(BIN)/uv pip sync --quiet $(OFFLINE) --require-hashes --python $(BIN)/python requirements.txt
	@touch $@
