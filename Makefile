# What a person types. `make train` and `make test` set everything up first, in .venv/.
#
#   make setup         virtual environment, dependencies, compiled engine
#   make train         train Connect Four in runs/connect4; type it again to resume
#   make test          all tests             make test ARGS="-k ring -x"
#   make engines       other people's engines and judges, which some tests skip without (Debian, root)
#   make lint          ruff, mypy, cython-lint
#   make debug-test    tests of the debug build (bounds checks, asserts)
#   make clean         remove what was built; .venv/ and runs/ stay
#
# PYTHON  the interpreter to build with, 3.11 or newer
# TORCH   what to install as torch. The default asks pip's index for this release, which on Linux
#         may be the CUDA build of several GB. To take another, name it, and where pip finds it:
#             PIP_EXTRA_INDEX_URL=<index of CPU builds> make setup TORCH="torch==2.13.0+cpu"

PYTHON ?= python3
TORCH ?= torch==2.13.0
ARGS ?=

# With an empty environment make itself would find no program.
ifeq ($(origin PATH), undefined)
  export PATH := /usr/local/bin:/usr/bin:/bin
endif

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip -qq --disable-pip-version-check --no-input
SOURCES := setup.py $(wildcard games/*.pyx games/*.pxd engine/*.pyx engine/*.pxd \
                                engine/backends/*.pyx engine/backends/*.pxd)
JOBS := $(shell nproc 2>/dev/null || echo 1)
SAY := @printf 'ringzero: %s\n'

.DELETE_ON_ERROR:
.PHONY: setup train test engines lint debug-test clean
setup: $(VENV)/built
	@:

train: setup
	@exec $(VENV)/bin/ringzero train connect4 --run runs/connect4 $(ARGS)

test: setup
	@exec $(PY) -m pytest -q $(ARGS)

engines: setup
	@$(PY) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb")) \
	  ["project"]["optional-dependencies"]["reference"], sep="\n")' | $(PIP) install -r /dev/stdin
	@apt-get install --quiet --yes --no-install-recommends stockfish gnuchess gnugo grhino

lint: setup
	$(PY) -m ruff check .
	$(PY) -m mypy
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cython-lint games engine docs/examples

# The stamp goes first: whatever happens, the next `make setup` builds the release again.
debug-test: setup
	@rm -f $(VENV)/built
	$(SAY) 'compiling the debug build'
	@ENGINE_DEBUG=1 $(PY) setup.py --quiet build_ext --inplace --parallel $(JOBS)
	@$(PY) -m pytest -q -m "not slow and not chaos" $(ARGS)

clean:
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@rm -f $(VENV)/built $(VENV)/installed
	@find engine games trainer profiling tests -name __pycache__ -prune -exec rm -rf {} +
	@find engine games \( -name '*.c' -o -name '*.so' -o -name '*.html' \) -delete

# -- stamps: each file says that its step was finished ------------------------------------------

$(VENV)/created:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "ringzero: $(PYTHON) was not found; install python3 (3.11 or newer)," \
	       "or name one: make setup PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "ringzero: Python 3.11 or newer is needed, $(PYTHON) is" \
	       "$$($(PYTHON) -V 2>&1); name another: make setup PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "ringzero: $(PYTHON) cannot make virtual environments;" \
	       "on Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }
	@command -v $${CC:-cc} >/dev/null || command -v $${CC:-gcc} >/dev/null || { \
	  echo "ringzero: no C compiler ($${CC:-cc}) was found;" \
	       "on Debian and Ubuntu: apt install gcc" >&2; exit 2; }
	@$(PYTHON) -c 'import os, sys, sysconfig; \
	  sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' || { \
	  echo "ringzero: the headers of $(PYTHON) (Python.h) were not found;" \
	       "on Debian and Ubuntu: apt install python3-dev" >&2; exit 2; }
	$(SAY) 'creating $(VENV)'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# Installing the project compiles it, too, one file at a time unless distutils is told otherwise.
$(VENV)/installed: pyproject.toml | $(VENV)/created
	$(SAY) 'installing $(TORCH)'
	@$(PIP) install --upgrade pip 'setuptools>=77,<90' 'Cython>=3.1,<4' wheel
	@$(PIP) install '$(TORCH)'
	$(SAY) 'installing the other packages and compiling the engine (a few minutes)'
	@printf '[build_ext]\nparallel = %s\n' $(JOBS) > $(VENV)/build.cfg
	@touch $(VENV)/built.next
	@DIST_EXTRA_CONFIG=$(CURDIR)/$(VENV)/build.cfg $(PIP) install --no-build-isolation -e '.[dev]'
	@test -e /dev/nvidia0 || $(PIP) install 'openvino>=2024.6' || \
	  echo 'ringzero: OpenVINO was not found; the networks run on torch, at about half the speed'
	@mv $(VENV)/built.next $(VENV)/built
	@touch $@

# Make looked at this file's age before the installation above may have renewed it, so the recipe
# looks again. After that, only what changed is compiled.
$(VENV)/built: $(SOURCES) | $(VENV)/installed
	@if [ ! -e $@ ] || [ -n "$$(find $(SOURCES) -newer $@)" ]; then \
	  echo 'ringzero: compiling what changed'; \
	  $(PY) setup.py --quiet build_ext --inplace --parallel $(JOBS) || exit; \
	  touch $@; \
	fi
