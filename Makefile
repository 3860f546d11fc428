# `make help` lists the targets. SWIFT and PYTHON name the tools to use.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

SWIFT ?= swift
PYTHON ?= python3
FORMATTED := Package.swift Sources Tests

# The program that runs end to end, under faults and in benchmarks. What ships, unless MIGRATIOND
# names another build: MIGRATIOND=.build/debug/migrationd make test-e2e
RELEASE := .build-release/release/migrationd
ifdef MIGRATIOND
program :=
else
MIGRATIOND := $(RELEASE)
program := build
endif
# Swift tests whose subject depends on the optimiser: who ends when, and who still holds a descriptor.
OPTIMISED := Descriptor|Worker|ChildProcess|ProcessResult|TLS|PostgresConnection|ConnectionPool|ServerSlots

.PHONY: help build demo test test-unit test-optimised test-e2e test-postgres test-newest test-chaos test-real chaos fmt check bench clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) \
		| sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

build: ## Build the daemon for production into .build-release
	@scripts/install-dependencies build
	$(SWIFT) build -c release --scratch-path .build-release --static-swift-stdlib --product migrationd

demo: build ## Migrate a demo fleet on a private PostgreSQL, and keep serving it
	@scripts/install-dependencies demo
	exec $(RELEASE) demo

test: check test-unit test-optimised test-e2e test-chaos ## Install what is missing, check and test everything

test-unit: ## Run the Swift tests
	@printf '\n=== Swift tests\n'
	@scripts/install-dependencies test
	@# A module that imports another has to declare it, also where that was built before.
	$(SWIFT) build --build-tests --explicit-target-dependency-import-check error
	@# The server's tests measure time, so they do not share the cores with PostgreSQL's.
	$(SWIFT) test --skip-build --filter HTTPLiteTests
	$(SWIFT) test --skip-build --skip HTTPLiteTests --skip EveryCallFailsTests \
		--skip DescriptorLeakTests
	@# Some hundred databases one after the other; beside the rest it would only slow that down.
	$(SWIFT) test --skip-build --filter EveryCallFailsTests

test-optimised: ## Run the Swift tests of descriptors, processes, TLS and connections in a release build
	@printf '\n=== Swift tests in a release build\n'
	$(SWIFT) build $(optimised) --build-tests
	$(SWIFT) test $(optimised) --skip-build --filter '$(OPTIMISED)' --skip DescriptorLeakTests
	@# It counts the process's descriptors, so that nothing may run beside it.
	DESCRIPTOR_ROUNDS=10000 $(SWIFT) test $(optimised) --skip-build --filter DescriptorLeakTests

optimised := -c release -Xswiftc -enable-testing --scratch-path .build-optimised

test-e2e: $(program) .venv/.installed .build-drivers/.installed ## Run the end-to-end tests against the release build, or against MIGRATIOND
	@printf '\n=== End-to-end tests of %s\n' '$(MIGRATIOND)'
	@# For fleets on servers of two versions.
	@scripts/install-postgres 18 >/dev/null
	MIGRATIOND=$(MIGRATIOND) .venv/bin/python -m pytest -c Tests/EndToEnd/pytest.ini Tests/EndToEnd

test-postgres: .venv/.installed ## Run the Swift and end-to-end tests on PostgreSQL VERSION=16, 17 or 18
	PATH="$$(scripts/install-postgres $(VERSION)):$$PATH" $(MAKE) test-unit test-e2e

test-newest: $(program) .venv/.installed .build-drivers/.installed ## Run the end-to-end tests that depend on PostgreSQL's behaviour on 18
	@printf '\n=== End-to-end tests on PostgreSQL 18\n'
	PATH="$$(scripts/install-postgres 18):$$PATH" MIGRATIOND=$(MIGRATIOND) \
		.venv/bin/python -m pytest -c Tests/EndToEnd/pytest.ini -m server Tests/EndToEnd

test-chaos: $(program) .venv/.installed ## Migrate a fleet under every kind of fault, once each
	@printf '\n=== Faults to %s\n' '$(MIGRATIOND)'
	MIGRATIOND=$(MIGRATIOND) .venv/bin/python Tests/Chaos/run.py --rounds 1

chaos: $(program) .venv/.installed ## Run one kind of fault repeatedly: CHAOS="kill-daemon --rounds 100 --seed 7"
	MIGRATIOND=$(MIGRATIOND) .venv/bin/python Tests/Chaos/run.py $(CHAOS)

test-real: $(program) ## Migrate whole public projects and compare with Alembic, not in CI: REAL="prefect"
	MIGRATIOND=$(MIGRATIOND) $(PYTHON) Tests/Real/run.py $(REAL)

fmt: ## Format the Swift code
	$(SWIFT) format --in-place --recursive $(FORMATTED)

check: .venv/.installed ## Check formatting, the house rules, documents, scripts and manifests
	@printf '\n=== Formatting, house rules, documents, scripts, manifests\n'
	$(SWIFT) format lint --strict --recursive $(FORMATTED)
	scripts/check-scripts
	.venv/bin/python scripts/check-manifests
	.venv/bin/python -m pytest -c Tests/House/pytest.ini Tests/House

bench: $(program) ## Compare the daemon with plain C over libpq
	MIGRATIOND=$(MIGRATIOND) Benchmarks/run ratio --at-least 0.9

clean: ## Remove everything that was built
	rm -rf .build .build-release .build-optimised .build-postgres .build-drivers .venv Benchmarks/fleet

.venv/.installed: Tests/EndToEnd/requirements.txt
	@scripts/install-dependencies test
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --requirement $<
	@touch $@

# Apart from the tests' own: where psycopg is installed, SQLAlchemy takes it for `postgresql://`.
.build-drivers/.installed: Tests/EndToEnd/requirements-drivers.txt | .venv/.installed
	rm -rf .build-drivers
	.venv/bin/pip install --quiet --target .build-drivers --requirement $<
	@touch $@
