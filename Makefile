# What people and machines run. Every target first sees that what it needs is installed (scripts/require).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test lint licences pages site package bench others fuzz mutants violence

# The version that deny.toml was written for. A debug build of it takes two minutes and checks in two seconds.
CARGO_DENY := 0.20.2
# The version that .cargo/mutants.toml was written for.
CARGO_MUTANTS := 27.1.0
DEMO := target/demo

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## build the laboratory in target/demo, audit it, and say where the reports are
	@scripts/require build demo
	cargo build --locked
	@scripts/demo $(DEMO)

test: ## everything that must hold before a change goes in: lint, then every test with real parts
	@scripts/require build test
	@$(MAKE) --no-print-directory lint
	@scripts/test

lint: ## formatting, lock files, clippy without warnings, licences
	@scripts/require build
	cargo fmt --all --check
	@for side in fuzz benches/regorus; do cargo tree --locked --quiet --manifest-path $$side/Cargo.toml >/dev/null; done
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	@$(MAKE) --no-print-directory licences

licences: ## licences, bans and sources of all dependencies, by cargo-deny
	@scripts/require build
	@cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --version $(CARGO_DENY) --locked --debug
	cargo deny --locked check --hide-inclusion-graph licenses bans sources

pages: ## open the page of an audit in headless Chromium: console, requests, width, paper; pictures in target/pages
	@scripts/require build demo pages
	cargo build --locked
	@scripts/pages

site: ## the documentation as one site, by mdBook, every link followed; in target/site/html
	@scripts/require build site
	@scripts/site

package: ## a Debian package, an archive, the bill of materials, digests; each tried; in target/package
	@scripts/require build demo package
	@scripts/package

bench: ## measure the released program beside its peers; writes docs/benchmarks.md
	@scripts/require build bench
	cargo build --locked --release
	@scripts/bench

others: ## ask code-path about packages that others wrote; fails where an answer is not what a reader found
	@scripts/require build bench
	cargo build --locked --release
	@scripts/real-code

fuzz: ## fuzz each reader of outside bytes for FUZZ_SECONDS (60); TARGETS="keybox certs" names some
	@scripts/require build fuzz
	@scripts/fuzz $(TARGETS)

mutants: ## change the judging code bit by bit and see that a test fails; takes hours, ROOM=src/classify one room
	@scripts/require build test
	@cargo mutants --version >/dev/null 2>&1 || cargo install cargo-mutants --version $(CARGO_MUTANTS) --locked --debug
	cargo mutants --output target $(if $(ROOM),--file '$(ROOM)*' --file '$(ROOM)/**')

violence: ## kills, starts at one instant and changes as often as a release asks for; 1 GiB surface; an hour or two, TESTS="…" some
	@scripts/require build test
	@scripts/violence $(TESTS)
