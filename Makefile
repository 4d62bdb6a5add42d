# `make help` lists the commands.

# Python 3.11 or 3.12; found by scripts/install_system.sh unless it is given.
PYTHON ?=
VENV ?= .venv
BIN := $(VENV)/bin

AGENT ?= planet
TASK ?= cartpole_balance
CONFIG ?= quickstart
LOGDIR ?= logs/$(if $(filter-out planet,$(AGENT)),$(AGENT)/)$(CONFIG)/$(TASK)
PARAMS ?=
# A published run, or one of your own, to watch.
RUN ?= results/cartpole_balance-quickstart-1
# Processes that share the tests; a file stays with one of them.
JOBS ?= 2
# Seconds after which a test counts as hanging: it is ended, and if that does
# not help, its process is, with the tracebacks of all threads.
LIMITS := --timeout=600 -o faulthandler_timeout=900 \
    -o faulthandler_exit_on_timeout=true --max-worker-restart=0

export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help install watch train test check format docs docs-check doctor bench experiments \
    site clean

help:
	@echo "make watch    install, play a trained agent, leave a GIF: RUN=results/NAME"
	@echo "make train    learn $(TASK) with the preset $(CONFIG);"
	@echo "              choose others with AGENT=dreamer TASK=... CONFIG=..."
	@echo "              LOGDIR=... and PARAMS=\"{name: value}\""
	@echo "make test     run all tests, JOBS=$(JOBS) files at a time"
	@echo "make check    format, lint, layers and tests, as before a commit"
	@echo "make bench    time it in half an hour, also beside plain Keras and PyTorch"
	@echo "make experiments  run those of docs/algorithm.md, tiny"
	@echo "make doctor   examine this machine: what is missing, how fast it is"
	@echo "make docs-check  run the commands of the documentation, check its links"
	@echo "make docs     write docs/parameters.md from the list of parameters"
	@echo "make site     make a site of the documentation, in build/site"
	@echo "make install  only install, into $(VENV)"
	@echo "make clean    remove $(VENV)"

# constraints.txt is the exact stack that the tests ran with.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check \
    --constraint constraints.txt --editable

install: $(VENV)/installed

# The last line makes sure that MuJoCo can render, and installs what is missing.
$(VENV)/installed: setup.py pyproject.toml constraints.txt \
    scripts/install_system.sh
	@python=$$(sh scripts/install_system.sh python '$(PYTHON)') && \
	    echo "Installing into $(VENV), which takes a few minutes at first." && \
	    "$$python" -m venv $(VENV)
	@$(PIP) '.[box2d]'
	@sh scripts/install_system.sh opengl $(BIN)/python
	@touch $@

# What tests and checks need beside it.
$(VENV)/tested: $(VENV)/installed
	@$(PIP) '.[test]'
	@touch $@

watch: install
	@$(BIN)/python scripts/watch.py --logdir '$(RUN)'

train: install
	@$(BIN)/python scripts/train.py --agent $(AGENT) --logdir '$(LOGDIR)' \
	    --config $(CONFIG) --tasks '[$(TASK)]' --params '$(PARAMS)'

test: $(VENV)/tested
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile $(LIMITS)

check: $(VENV)/tested
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/python -m pytest -q tests/test_layers.py
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile $(LIMITS)

format: $(VENV)/tested
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: install
	@$(BIN)/python scripts/write_parameters.py

docs-check: $(VENV)/tested
	@$(BIN)/python -m pytest -q -m 'not experiments' tests/test_docs*.py \
	    tests/test_extending.py

doctor: install
	@$(BIN)/python scripts/doctor.py

experiments: install
	@$(BIN)/python -m pytest -q -m experiments tests/test_experiments.py

# Where the index offers several builds of PyTorch, the one for CPUs is enough.
bench: install
	@$(PIP) '.[bench]'
	@$(BIN)/python benchmarks/run_all.py

# Pages lie as in the repository, so that links between them are the same.
site: $(VENV)/installed
	@$(PIP) '.[site]'
	@rm -rf build/pages build/site && mkdir -p build/pages/scripts
	@cp -r README.md README.zh-CN.md CHANGELOG.md docs results build/pages
	@cp scripts/*.sh build/pages/scripts
	@NO_MKDOCS_2_WARNING=true $(BIN)/python -m mkdocs build --quiet --strict
	@echo "The site: build/site/index.html"

clean:
	rm -rf $(VENV)
