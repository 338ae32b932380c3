# Everything builds without cgo: no C compiler is needed, and the same source
# gives the same bytes on every machine. Only the race detector needs one.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
export CGO_ENABLED ?= 0

GO ?= go
# Trees of plugins are hashed into plugins.lock.toml and into every run, so paths
# and the state of the checkout must stay out of the binaries.
BUILD := $(GO) build -trimpath -buildvcs=false
REVISION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# Packages for test, test-race, cover and bench, e.g. make test PKG=./host/stats/...
PKG ?= ./...
# More flags for go test, e.g. make test TEST_FLAGS='-run Compare -v'
TEST_FLAGS ?=

# Where goroutines meet: what ci puts under the race detector. The rest computes
# in one and is slow there; make test-race takes all.
CONCURRENT := ./sdk/transport/... ./sdk/serve/... ./sdk/backbone/... ./sdk/graph/... ./sdk/plugintest/... \
	./host/plugin/... ./host/dataset/... ./host/stats/... ./host/train/... ./sweeps/... ./tracker/...

GOLANGCI_VERSION := v2.15.0
GOLANGCI := .bin/golangci-lint-$(GOLANGCI_VERSION)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: plugins ## bin/deconfound and the shipped plugins
	$(BUILD) -ldflags '-X main.revision=$(REVISION)' -o bin/deconfound ./host/cmd/deconfound

# One compilation for a whole kind, then one directory a plugin. A binary that is
# in use is replaced, never written into.
.PHONY: plugins
plugins: ## the shipped plugins, bin/plugins/<kind>/<name>
	@mkdir -p bin; build=$$(mktemp -d bin/.build.XXXXXX); trap 'rm -rf $$build' EXIT; \
	for kind in backbone strategy; do \
	  mkdir -p $$build/$$kind bin/plugins/$$kind; \
	  $(BUILD) -o $$build/$$kind/ ./plugins/$$kind/...; \
	  for binary in $$build/$$kind/*; do \
	    name=$${binary##*/}; into=bin/plugins/$$kind/$$name; mkdir -p $$into; \
	    cmp -s plugins/$$kind/$$name/plugin.toml $$into/plugin.toml || cp plugins/$$kind/$$name/plugin.toml $$into/plugin.toml; \
	    cmp -s $$binary $$into/$$name || mv -f $$binary $$into/$$name; \
	  done; \
	done

.PHONY: demo
demo: build ## a sweep on real data with a private PostgreSQL, and its comparison
	bin/deconfound demo

# A part of it: make study STUDY="my_study.toml --markdown study.md"
STUDY ?=

.PHONY: study
study: build ## MD and DB against known causal truth: 20 minutes of CPU, split over the cores
	bin/deconfound study $(STUDY)

.PHONY: test
test: ## all tests; finds an installed PostgreSQL by itself
	$(GO) test $(TEST_FLAGS) $(PKG)

# An interpreter with numpy, grpcio, protobuf, cryptography and pytest; with torch, its
# wrapper is tested, too. make test runs the suite of plugins in Python when python3
# has the packages.
.PHONY: test-python
test-python: ## the tests of sdk/python, and its plugins on the conformance suite; PYTHON names the interpreter
	cd sdk/python && $(firstword $(PYTHON)) -B -m pytest -q
	DECONFOUND_TEST_PYTHON=$$(command -v $(firstword $(PYTHON))) $(GO) test -count=1 -run Python ./host/scaffold

.PHONY: test-race
test-race: ## the tests under the race detector, without the long ones
	@command -v $$($(GO) env CC) >/dev/null || { echo "make test-race: the race detector needs a C compiler, and there is no $$($(GO) env CC)" >&2; exit 1; }
	CGO_ENABLED=1 $(GO) test -race -short $(TEST_FLAGS) $(PKG)

# A home with sweeps in it, for test-browser, e.g. that of make demo.
UI_HOME ?= $(HOME)/.local/share/deconfound

.PHONY: test-browser
test-browser: build ## look at the pages of UI_HOME with Chromium; needs Node.js, screenshots in bin/screenshots
	@mkdir -p bin/browser; cp tracker/web/testdata/browser/* bin/browser/; \
	cd bin/browser; rm -f address; npm install --no-audit --no-fund --silent; \
	DECONFOUND_HOME=$(UI_HOME) ../deconfound ui --json --listen 127.0.0.1:0 > address & ui=$$!; trap 'kill $$ui' EXIT; \
	for i in $$(seq 100); do [ -s address ] && break; sleep 0.2; done; \
	node look.mjs "$$(sed -n 's/.*"url": "\(.*\)\/".*/\1/p' address)" ../screenshots

.PHONY: test-browser-many
test-browser-many: ## measure the pages of 10,000 runs with Chromium; needs Node.js
	@mkdir -p bin/browser; cp tracker/web/testdata/browser/* bin/browser/; cd bin/browser; npm install --no-audit --no-fund --silent
	BROWSER=$(CURDIR)/bin/browser $(GO) test -tags browser -run '^TestBrowser' -count=1 -v $(TEST_FLAGS) ./tracker/web

.PHONY: test-chaos
test-chaos: ## kill workers, plugins and the database, and expect the same bits
	$(GO) test -tags chaos -run '^TestChaos' -count=1 -timeout 30m $(TEST_FLAGS) ./host/e2e

.PHONY: measure
measure: ## AUROC on every real cohort against plain models; needs their tables
	$(GO) test -tags measure -run '^TestMeasure$$' -count=1 -timeout 30m -v $(TEST_FLAGS) ./host/reference

.PHONY: measure-backbones
measure-backbones: ## AUROC of every shipped backbone on three real cohorts against plain models
	$(GO) test -tags measure -run '^TestMeasureBackbones$$' -count=1 -timeout 1h -v $(TEST_FLAGS) ./host/reference

.PHONY: measure-split
measure-split: ## errors of the availability-guided split on simulated data
	$(GO) test -tags measure -run '^TestMeasure' -count=1 -timeout 3h -v $(TEST_FLAGS) ./host/causal

.PHONY: cover
cover: ## test coverage, cover.html
	$(GO) test -coverprofile=cover.out $(TEST_FLAGS) $(PKG)
	$(GO) tool cover -html=cover.out -o cover.html
	$(GO) tool cover -func=cover.out | tail -n 1

.PHONY: bench
bench: ## the benchmarks; figures and how they were taken are in BENCHMARKS.md
	$(GO) test -run '^$$' -bench . -benchmem $(TEST_FLAGS) $(PKG)

# Interpreters with PyTorch, e.g. make bench-torch PYTHON="venv/bin/python /usr/bin/python3"
PYTHON ?= python3
# A PostgreSQL where databases may be made, for bench-sweep and bench-tracker.
SERVER ?= postgresql://postgres@localhost/postgres

.PHONY: bench-torch
bench-torch: ## training steps against PyTorch, in the same run; see BENCHMARKS.md
	python3 host/e2e/bench/steps.py $(foreach python,$(PYTHON),--python $(python))

.PHONY: bench-backbones
bench-backbones: build ## the shipped backbones against PyTorch, in the same run; see BENCHMARKS.md
	python3 host/e2e/bench/backbones.py $(foreach python,$(PYTHON),--python $(python))

.PHONY: bench-sweep
bench-sweep: build ## a whole sweep against PyTorch, Optuna and MLflow on the PostgreSQL SERVER
	python3 host/e2e/bench/sweep.py --server $(SERVER) --python $(firstword $(PYTHON))

.PHONY: bench-tracker
bench-tracker: build ## the tracker against MLflow and Optuna on the PostgreSQL SERVER of this machine; four minutes
	$(firstword $(PYTHON)) host/e2e/bench/tracker.py --server $(SERVER)

.PHONY: generate
generate: ## write generated code anew
	$(GO) generate ./...

.PHONY: site
site: ## the documentation as pages that need no network, site/index.html
	$(GO) run ./host/site site

.PHONY: man
man: build ## the pages of the manual, bin/man
	rm -rf bin/man; SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) bin/deconfound man bin/man

.PHONY: methods
methods: build ## write docs/methods anew, a page for each shipped plugin
	bin/deconfound plugin docs --source plugins docs/methods

.PHONY: fmt
fmt: $(GOLANGCI) ## format the code
	$(GOLANGCI) fmt

.PHONY: vet
vet: ## go vet
	$(GO) vet ./...
	$(GO) -C sdk/nn/asm vet ./...

.PHONY: lint
lint: $(GOLANGCI) ## golangci-lint, installed into .bin on first use
	$(GOLANGCI) config verify
	$(GOLANGCI) run
	cd sdk/nn/asm && $(CURDIR)/$(GOLANGCI) run

$(GOLANGCI):
	@mkdir -p .bin
	GOBIN=$(CURDIR)/.bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv .bin/golangci-lint $@

.PHONY: verify
verify: vet build ## what reviewers need not look for: format, modules, generated code, repository rules
	@bad=$$(git ls-files '*.go' | xargs gofmt -l); [ -z "$$bad" ] || { echo "not formatted by gofmt:" $$bad >&2; exit 1; }
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(GO) -C sdk/nn/asm mod verify
	$(GO) -C sdk/nn/asm mod tidy -diff
	@before=$$(git ls-files '*.pb.go' '*_pb2.py' '*_amd64.s' '*_arm64.s' | xargs sha256sum); $(GO) generate ./...; \
	  [ "$$before" = "$$(git ls-files '*.pb.go' '*_pb2.py' '*_amd64.s' '*_arm64.s' | xargs sha256sum)" ] || { echo "generated code was stale and is now written anew: commit it" >&2; exit 1; }
	@before=$$(find docs/methods -name '*.md' | sort | xargs sha256sum); bin/deconfound plugin docs --source plugins docs/methods > /dev/null; \
	  [ "$$before" = "$$(find docs/methods -name '*.md' | sort | xargs sha256sum)" ] || { echo "docs/methods was stale and is now written anew: commit it" >&2; exit 1; }
	$(GO) test -count=1 ./host/rules/... ./sdk/pb/...

.PHONY: ci
ci: verify lint build test ## what .ci/run runs
	$(GO) test -tags purego ./sdk/nn/... ./sdk/features/...
	GOARCH=arm64 $(GO) vet ./sdk/nn/... ./sdk/features/...
	@if command -v $$($(GO) env CC) >/dev/null; then $(MAKE) test-race PKG="$(CONCURRENT)"; else echo "no C compiler: the race detector is left out"; fi

.PHONY: clean
clean: ## remove what was built; keeps .bin and the data of the program
	rm -rf bin site cover.out cover.html
