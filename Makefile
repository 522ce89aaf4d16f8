# Everything a contributor runs. `make` alone lists it.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

TOOLS   := $(CURDIR)/.cache/tools/bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
GOBUILD  = CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'

# The node agent is on every node, so it is kept small: it serves its pages by
# HTTP/1.1 alone, and what is not on its hot path is compiled without inlining.
COLD    := std=-l go.yaml.in/...=-l github.com/nats-io/...=-l github.com/VictoriaMetrics/...=-l github.com/valyala/...=-l golang.org/x/crypto/...=-l
HOT     := runtime/... internal/... bytes sync/... hash/... syscall
SMALL   := -tags nethttpomithttp2 $(COLD:%=-gcflags=%) $(HOT:%=-gcflags=%=)

# Packages whose concurrency the race detector looks at. The others hold no
# goroutines of their own, or are for tests.
RACE_PKGS ?= ./forwarder/... ./aggregator/... ./sinks/... ./audit/... ./internal/... ./cmd/...
FUZZTIME  ?=

.PHONY: help build up tools test unit e2e race fuzz lint fmt tidy-check bench bench-once ci clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | \
		while IFS=$$'\t' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

build: ## build bin/loghaul and bin/loghaul-forwarder, static
	@mkdir -p bin
	$(GOBUILD) -o bin/loghaul ./cmd/loghaul
	$(GOBUILD) $(SMALL) -o bin/loghaul-forwarder ./cmd/loghaul-forwarder

up: build ## run everything in one process on demo lines, in ./loghaul-data
	./bin/loghaul up --demo

tools: ## install what tests and lint need, pinned, into .cache/tools or by apt
	@scripts/tools.sh

test: tools ## unit, integration and end-to-end tests
	@$(MAKE) --no-print-directory unit e2e

unit: ## unit and integration tests alone (after make tools)
	@go run ./scripts/gotest -shuffle=on -timeout 15m $$(go list ./... | grep -v '/e2e')

e2e: ## end-to-end tests alone: real processes, killed (after make tools)
	@go run ./scripts/gotest -count=1 -timeout 30m -p 1 ./e2e ./e2e/sql

race: ## the concurrent packages under the race detector
	@CGO_ENABLED=1 go run ./scripts/gotest -race -short -shuffle=on -timeout 20m $$(go list $(RACE_PKGS) | grep -vE 'internal/(lint|testenv)$$')

fuzz: ## every fuzz target for FUZZTIME (the parser's 15s, others 4s; FUZZTIME=1h before a release)
	@FUZZTIME=$(FUZZTIME) scripts/fuzz.sh

lint: ## formatters and linters, import rules included
	@scripts/tools.sh lint
	@$(TOOLS)/golangci-lint run ./...

fmt: ## format the code
	@scripts/tools.sh lint
	@$(TOOLS)/golangci-lint fmt ./...

tidy-check: ## go.mod and go.sum are as `go mod tidy` leaves them
	@go mod tidy -diff

bench: build ## the numbers of docs/benchmarks.md, each with its command and baseline
	@scripts/bench.sh

bench-once: ## every Go benchmark once, so that none rots
	@go test -run '^$$' -bench . -benchtime 1x $$(go list ./... | grep -v '/e2e')

ci: ## what .ci/run runs: everything above, with the time each step took
	@scripts/ci.sh

clean: ## remove build output and demo data; tools stay
	rm -rf bin loghaul-data
