# Every target does its own set-up: Python tools, protoc, Go where it is missing, and the real servers, all built into
# .testbed/ by tests/testbed/build. The checks and tests are listed once, in tests/run.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Two builds at once are slower than one after the other here, and cargo locks its target folder anyway.
.NOTPARALLEL:

BUILD := tests/testbed/build
USE_TESTBED := eval "$$($(BUILD) env)"

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: tools ## Rescue a full three-member etcd and read a small cluster dump, start to end
	@$(BUILD) etcd 3.6.16
	@tests/testbed/wheel release
	@$(USE_TESTBED); python demo/demo.py

.PHONY: test
test: tools ## Every check and every test, at sizes that fit CI
	@$(USE_TESTBED); tests/run test

.PHONY: check
check: tools ## The inner loop: format, lints, unit tests, documented examples, vectors
	@$(USE_TESTBED); tests/run check

.PHONY: vectors
vectors: tools ## The vector runner alone, Rust then Python (TRIMTAB_VECTORS=dir, default tests/vectors)
	@$(USE_TESTBED); tests/run vectors

.PHONY: oracle
oracle: tools ## Upstream's own functions against ours: 20,000 random inputs per formula and release
	@$(USE_TESTBED); tests/run oracle

.PHONY: soak
soak: tools ## A million random inputs for every parser; 28,000 records of Helm pruned under kills
	@$(USE_TESTBED); tests/run soak

.PHONY: bench
bench: tools ## Benchmarks, with the ratios to other implementations
	@tests/testbed/wheel release
	@$(USE_TESTBED); benches/run

.PHONY: docs
docs: tools ## The Rust documentation, into target/doc
	@$(USE_TESTBED); RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --all-features

.PHONY: testbed
testbed: tools ## The whole test bed: tools and every pinned server
	@$(BUILD) servers
	@$(BUILD) list

.PHONY: fmt
fmt: tools ## Format Rust and Python
	@$(USE_TESTBED); cargo fmt --all; ruff format; ruff check --fix

.PHONY: clean-testbed
clean-testbed: ## Remove the test bed
	rm -rf .testbed

.PHONY: tools
tools:
	@$(BUILD) tools
