# Every command of the project; `make` alone lists them. What each needs is installed on first use.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PORT ?= 8080
MINUTES ?=
SECONDS ?= 60
JOBS ?= $(shell nproc)
BINARY := build/release/millrace

build_preset = [ -f build/$(1)/build.ninja ] || cmake --preset $(1); cmake --build build/$(1) -j $(JOBS) --target $(2)

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what a build and its tests need, and configure; no more
	@scripts/setup.sh build test
	@cmake --preset release

build: ## the binary, build/release/millrace
	@scripts/setup.sh build
	@$(call build_preset,release,millrace)

demo: build ## a simulated shop with live traffic and its dashboard (MINUTES=1 ends by itself; PORT=8080)
	@$(BINARY) demo --listen 127.0.0.1:$(PORT) $(if $(MINUTES),--minutes $(MINUTES))

test: ## set up, build, run every test but the long ones
	@scripts/setup.sh build test
	@$(call build_preset,release,all)
	@python3 -B scripts/run_tests.py build/release -LE soak -j $(JOBS)

build-sanitizers: ## what test-sanitizers runs
	@scripts/setup.sh build test
	@$(call build_preset,asan,unit_tests)
	@$(call build_preset,tsan,unit_tests)

test-sanitizers: build-sanitizers ## unit tests under the address, undefined-behaviour and thread sanitizers
	@MILLRACE_SEEDS=30 python3 -B scripts/run_tests.py build/asan -L unit -j $(JOBS)
	@MILLRACE_SEEDS=40 python3 -B scripts/run_tests.py build/tsan -L unit -j $(JOBS)

soak: ## the long tests: 50 kills under load, a news day and a half at 1,000 times its speed, thousands of faults
	@scripts/setup.sh build test
	@$(call build_preset,release,all)
	@MILLRACE_SOAK=1 MILLRACE_CRASHES=50 python3 -B scripts/run_tests.py build/release -L "soak|crash" --timeout 7200
	@MILLRACE_SOAK=1 python3 -B scripts/run_tests.py build/release -R "news_stream|replay_equal" --timeout 7200
	@MILLRACE_SEEDS=5000 python3 -B scripts/run_tests.py build/release -R "^(log|stream)$$" --timeout 7200

bench: ## every benchmark with its yardstick, or those NAME=part of one; writes bench/results
	@scripts/setup.sh build test bench
	@$(call build_preset,release,all)
	@python3 -B bench/run.py build/release $(NAME)

fuzz: ## the fuzzers of tests/fuzz, each for SECONDS=60
	@scripts/setup.sh build fuzz
	@scripts/fuzz.sh $(SECONDS)

lint: ## formatting, static analysis of the changed files (ALL=1: of all), types of the dashboard
	@scripts/setup.sh build lint
	@ALL=$(ALL) scripts/lint.sh

dev: ## rebuild and restart the server on change, and show ui/ as it is edited (ARGS="--data DIR"; PORT, UI_PORT)
	@scripts/setup.sh build
	@PORT=$(PORT) scripts/dev.sh $(ARGS)

package: build ## build/millrace-VERSION-linux-ARCH.tar.gz: binary, DuckDB, examples, systemd unit
	@scripts/package.sh

clean: ## remove what was built; keeps what set-up fetched (rm -rf build removes that too)
	@find build -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} + 2> /dev/null || true

.PHONY: help setup build demo test build-sanitizers test-sanitizers soak bench fuzz lint dev package clean
