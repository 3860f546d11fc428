# `make help` lists the targets. SWIFT and PYTHON name the tools to use.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

SWIFT ?= swift
PYTHON ?= python3
FORMATTED := Package.swift Sources Tests

.PHONY: help build demo test test-unit test-e2e test-chaos chaos fmt check bench clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) \
		| sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

build: ## Build the daemon for production into .build-release
	@scripts/install-dependencies build
	$(SWIFT) build -c release --scratch-path .build-release --static-swift-stdlib --product migrationd

demo: ## Migrate a demo fleet on a PostgreSQL of its own, and keep serving it
	@scripts/install-dependencies demo
	$(SWIFT) build --product migrationd
	exec .build/debug/migrationd demo

test: check test-unit test-e2e test-chaos ## Install what is missing, check and test everything

test-unit: ## Run the Swift tests
	@printf '\n=== Swift tests\n'
	@scripts/install-dependencies test
	$(SWIFT) build --build-tests
	@# The server's tests measure time, so they do not share the cores with PostgreSQL's.
	$(SWIFT) test --skip-build --filter HTTPLiteTests
	$(SWIFT) test --skip-build --skip HTTPLiteTests --skip EveryCallFailsTests
	@# Some hundred databases one after the other; beside the rest it would only slow that down.
	$(SWIFT) test --skip-build --filter EveryCallFailsTests

test-e2e: .venv/.installed ## Run the end-to-end tests against the real daemon
	@printf '\n=== End-to-end tests\n'
	$(SWIFT) build --product migrationd
	MIGRATIOND=.build/debug/migrationd .venv/bin/python -m pytest -c Tests/EndToEnd/pytest.ini Tests/EndToEnd

test-chaos: .venv/.installed ## Migrate a fleet under every kind of fault, once each
	@printf '\n=== Faults\n'
	$(SWIFT) build --product migrationd
	MIGRATIOND=.build/debug/migrationd .venv/bin/python Tests/Chaos/run.py --rounds 1

chaos: .venv/.installed ## The same for long: CHAOS="kill-daemon --rounds 100 --seed 7"
	$(SWIFT) build --product migrationd
	MIGRATIOND=.build/debug/migrationd .venv/bin/python Tests/Chaos/run.py $(CHAOS)

fmt: ## Format the Swift code
	$(SWIFT) format --in-place --recursive $(FORMATTED)

check: .venv/.installed ## Check formatting, the house rules, documents, scripts and manifests
	@printf '\n=== Formatting, house rules, documents, scripts, manifests\n'
	$(SWIFT) format lint --strict --recursive $(FORMATTED)
	scripts/check-scripts
	.venv/bin/python scripts/check-manifests
	.venv/bin/python -m pytest -c Tests/House/pytest.ini Tests/House

bench: build ## Compare the daemon with plain C over libpq
	MIGRATIOND=.build-release/release/migrationd Benchmarks/run ratio --at-least 0.9

clean: ## Remove everything that was built
	rm -rf .build .build-release .venv Benchmarks/fleet

.venv/.installed: Tests/EndToEnd/requirements.txt
	@scripts/install-dependencies test
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --requirement $<
	@touch $@
