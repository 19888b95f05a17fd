# Each target gets what it needs by itself, on a fresh machine too. See 'make help'.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The builds share ccache, the bridge's target folder and two cores: one after the other.
.NOTPARALLEL:

targets_release := bronze bronze_faulty unit_tests tidy_tests property_tests \
    bridge_tests schema_probe
targets_debug := unit_tests property_tests bridge_tests
targets_tsan := unit_tests
targets_fuzz := decode_fuzzer
cargo := cargo
bridge := --locked --manifest-path bridge/Cargo.toml --target-dir build/bridge
cpp_files = $(shell git ls-files -co --exclude-standard -- 'src/*.cpp' 'src/*.h' 'tests/*.cpp' 'tests/*.h' 'bench/*.cpp' 'bench/*.h')
shell_files := $(shell grep -lE '^\#!.*bash' scripts/* deploy/docker/* .ci/run) scripts/newer_suites.sh
python_files := scripts/run_tests scripts/fuzz tests/integration tests/image tests/faults bench
tools := .deps/venv/bin

# $(call build,PRESET)
build = cmake --preset $(1) && cmake --build build/$(1) --target $(targets_$(1))

bridge_fuzzers = RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/scripts/rustc_fuzz \
    $(cargo) build $(bridge) --release --features fuzz --bins

# The service as it is shipped, and with the hooks of the fault tests.
faulty = scripts/bootstrap test && cmake --preset release \
    && cmake --build build/release --target bronze bronze_faulty feed

.PHONY: help build demo test faults soak fuzz bench bench-restart check-fast format lint coverage clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

build: ## build/release/bronze
	@[ -x build/release/bronze ] || echo "first build: 10 to 15 minutes on two cores; its progress follows"
	scripts/bootstrap build
	cmake --preset release
	cmake --build build/release --target bronze

demo: build ## shows the service at work for 30 s: no Kafka, JVM or MinIO needed
	build/release/bronze demo

test: ## all tests: unit, property, bridge, integration with a real Kafka and MinIO, the image
	scripts/bootstrap test
	$(call build,release)
	$(call build,debug)
	$(call build,tsan)
	$(call build,fuzz)
	$(bridge_fuzzers)
	scripts/run_tests

faults: ## every fault on purpose, about an hour: fails when it injected too few; build/reports/faults.json
	$(faulty)
	$(tools)/python -m pytest tests/faults --full -sv --color=no

soak: ## all faults mixed at random, MINUTES=n of it (10)
	$(faulty)
	$(tools)/python -m pytest tests/faults --minutes $(or $(MINUTES),10) -k soak -sv --color=no

fuzz: ## any bytes as values, for MINUTES=n (30); make test does it for two
	scripts/bootstrap test
	$(call build,fuzz)
	$(bridge_fuzzers)
	scripts/fuzz --seconds $$(( 60 * $(or $(MINUTES),30) ))

bench: ## a drain, also in half a core; small commits as a table ages; a trickle; being watched; many topics; single steps: some 8 minutes
	scripts/bootstrap test
	cmake --preset release
	cmake --build build/release --target bronze small_commits feed bare_loop micro
	$(tools)/python bench/all.py

bench-restart: ## how long a start takes on 8 and on 500 tables, with and without Redis: some 15 minutes
	scripts/bootstrap test
	cmake --preset release
	cmake --build build/release --target bronze
	$(tools)/python bench/restart.py

check-fast: ## the unit tests only, seconds after a change
	scripts/bootstrap build
	cmake --preset release
	cmake --build build/release --target unit_tests
	scripts/run_tests --fast

format: ## formats C++, Rust and Python
	scripts/bootstrap lint
	clang-format-14 -i $(cpp_files)
	$(cargo) fmt --manifest-path bridge/Cargo.toml
	$(tools)/ruff format -q --config tests/integration/ruff.toml $(python_files)

lint: ## formatting, clang-tidy, clippy, shellcheck, ruff, known holes of the libraries
	scripts/bootstrap lint
	clang-format-14 --dry-run -Werror $(cpp_files)
	$(cargo) fmt --manifest-path bridge/Cargo.toml --check
	shellcheck -x $(shell_files)
	$(tools)/ruff format -q --config tests/integration/ruff.toml --check $(python_files)
	$(tools)/ruff check -q --config tests/integration/ruff.toml $(python_files)
	$(cargo) clippy $(bridge) --release --all-targets -- -D warnings
	$(call build,debug)
	run-clang-tidy-14 -quiet -p build/debug "$(CURDIR)/src/.*"
	scripts/audit

coverage: ## line coverage of the C++ and Rust tests, report in build/coverage/report
	scripts/bootstrap coverage
	cmake -G Ninja -S . -B build/coverage -DCMAKE_BUILD_TYPE=Debug \
	    -DCMAKE_CXX_FLAGS='-O1 --coverage -fprofile-update=atomic'
	cmake --build build/coverage --target unit_tests property_tests
	find build/coverage -name '*.gcda' -delete
	build/coverage/unit_tests --gtest_brief=1
	BRONZE_SCRIPTS=1000 build/coverage/property_tests --gtest_brief=1
	mkdir -p build/coverage/report
	gcovr --root . --filter src/ --exclude-throw-branches --print-summary \
	    --html-details build/coverage/report/index.html build/coverage
	scripts/bridge_coverage build/coverage/bridge

clean: ## removes build/, keeps what was fetched into .deps/
	rm -rf build
