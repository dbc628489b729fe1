# Two commands on a fresh machine:  make run   and   make test
#
# Both make a virtual environment in .venv first, with the newest suitable interpreter that is there. Name another with
# `make run PYTHON=/path/to/python3`.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
EXPERIMENT ?= experiments/imx8_npu.yaml

.DEFAULT_GOAL := help
.PHONY: help run test slow lint schema bench emulators clean

help:
	@echo 'make run    set up and run $(EXPERIMENT) (EXPERIMENT=… for another); says where the report lies'
	@echo 'make test   set up and run the tests'
	@echo 'make slow   the tests that take longer'
	@echo 'make lint   ruff and mypy --strict'
	@echo 'make bench  the benchmarks under benchmarks/'
	@echo 'make emulators  install (Debian, as root or with sudo) what emulated boards and cross-building need'
	@echo 'make clean  remove the virtual environment and caches (records/ stays)'

# The newest interpreter from 3.11 on that can make a virtual environment. Each candidate is really started: a name on the
# PATH may be a shim with nothing behind it.
$(READY): pyproject.toml
	@set -e; chosen=''; \
	for candidate in $(or $(PYTHON),python3.14 python3.13 python3.12 python3.11 python3 python); do \
	  if $$candidate -c 'import sys, venv, ensurepip; sys.exit(not sys.version_info >= (3, 11))' >/dev/null 2>&1; \
	  then chosen=$$candidate; break; fi; \
	done; \
	if [ -z "$$chosen" ]; then \
	  echo 'make: no Python 3.11 or newer with venv and pip was found (on Debian: apt install python3-venv);' >&2; \
	  echo 'make: name one with PYTHON=/path/to/python3' >&2; exit 3; fi; \
	echo "setting up $(VENV) with $$($$chosen --version) ($$(command -v $$chosen)) ..."; \
	[ -x $(BIN)/python ] || $$chosen -m venv $(VENV); \
	$(BIN)/python -m pip install -qq --disable-pip-version-check --editable .; \
	touch $@

$(READY_DEV): $(READY)
	@echo 'installing the test tools ...'
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[test,dev]'
	@touch $@

run: $(READY)
	@$(BIN)/lab run $(EXPERIMENT)

test: $(READY_DEV)
	$(BIN)/python -m pytest -n auto

slow: $(READY_DEV)
	$(BIN)/python -m pytest -m slow

lint: $(READY_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

schema: $(READY)
	$(BIN)/lab schema experiment > docs/schema/experiment.schema.json
	$(BIN)/lab schema bench > docs/schema/bench.schema.json
	$(BIN)/lab schema offload > docs/schema/offload.schema.json

bench: $(READY_DEV)
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/plan_expansion.py
	$(BIN)/python benchmarks/trial_overhead.py
	$(BIN)/python benchmarks/study.py

# QEMU, the compilers for the boards, and what reaches and checks them. Images and, for qemu-imx8mp, a newer QEMU are
# fetched by `lab board up` itself, into the cache: nothing of them is installed.
EMULATORS := qemu-system-arm qemu-user device-tree-compiler openssh-client openssh-server debian-archive-keyring \
  gcc-avr binutils-avr avr-libc libsimavr-dev make busybox-static \
  gcc g++ libeigen3-dev libc6-dev gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross \
  gcc-arm-linux-gnueabihf g++-arm-linux-gnueabihf libc6-dev-armhf-cross cpio iproute2

emulators:
	@set -e; \
	command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || { \
	  echo 'make: emulated boards are made of Debian packages, and this system has no apt-get' >&2; exit 3; }; \
	missing=''; for package in $(EMULATORS); do \
	  dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then echo 'everything that emulated boards need is installed'; exit 0; fi; \
	sudo=''; if [ "$$(id -u)" != 0 ]; then sudo=sudo; command -v sudo >/dev/null || { \
	  echo "make: run this as root, or install yourself:$$missing" >&2; exit 3; }; fi; \
	echo "installing$$missing"; \
	$$sudo apt-get update -qq; \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
