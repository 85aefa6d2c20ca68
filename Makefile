# The front door: each word here stands for one command or two of meson and tools/. `make help` lists them.
BUILD ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 30
JOBS ?= $(shell nproc)

.PHONY: all help setup demo test asan fuzz bench lint format coverage install clean

all: ## build everything into build/
	@tools/setup.sh --check build
	@tools/build.sh $(BUILD)

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup: ## install the Debian packages that building and testing need (root or sudo)
	@tools/setup.sh build test

demo: ## three hospitals, one analyst, one enclave: the whole path on real data, then the operator's tries
	@tools/setup.sh build
	@tools/build.sh $(BUILD)
	@CELLA=$(BUILD)/src/cli/cella examples/patients/demo.sh

test: ## unit, command line and attack tests, under sanitizers too; layers, lint (CI adds: tools/test.sh --help)
	@tools/setup.sh build test
	@tools/test.sh

asan: ## the unit tests under ASan and UBSan
	@tools/setup.sh build test
	@tools/test.sh --only asan

fuzz: ## each fuzz target for FUZZ_SECONDS (30)
	@tools/setup.sh build test
	@tools/fuzz.sh $(FUZZ_SECONDS)

bench: ## every benchmark; tables to build/bench.txt
	@tools/setup.sh build bench
	@tools/build.sh $(BUILD)
	@tools/bench.sh $(BUILD)

lint: ## layers, format, banned calls, scripts
	@tools/setup.sh build test
	@tools/check-layers.sh
	@tools/lint.sh

format: ## rewrite the C files in house style
	@for round in 1 2; do git ls-files '*.c' '*.h' | xargs clang-format -i; done # a second look at what the first moved

coverage: ## line and branch coverage of the unit tests, into build-test/coverage/
	@tools/setup.sh build test
	@tools/coverage.sh

install: all ## install cella; DESTDIR= and PREFIX= as usual
	@meson configure $(BUILD) -Dprefix=$(PREFIX) >/dev/null
	@meson install -C $(BUILD) --quiet $(if $(DESTDIR),--destdir "$(abspath $(DESTDIR))")

clean: ## remove what was built
	rm -rf $(BUILD) build-test
