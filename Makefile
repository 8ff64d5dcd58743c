# Everything that is done to this repository is a target here; `make` lists them.

GO        ?= go
GOBIN_DIR := bin
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS   := -s -w -X github.com/gotuner/tuner/cmd/tuner/cli.version=$(VERSION)

# One set of flags for all targets, so that they share one build cache. The
# version comes from the linker flag above, so no build needs git. The tag leaves
# out what gonum/plot can write beside SVG: 1.2 MB that nothing here uses.
export GOFLAGS := $(GOFLAGS) -trimpath -buildvcs=false -tags=minimal
# No cgo anywhere; only the race detector needs it.
export CGO_ENABLED := 0

TOOL := $(GO) tool -modfile=tools/go.mod

# Number of trials of the demo.
N ?= 30
# Flags for the tests, such as TESTFLAGS='-run TestSweep -v'.
TESTFLAGS ?=
# Which benchmarks, in which packages, how often; benchstat wants COUNT=10.
BENCH ?= .
PKG   ?= ./...
COUNT ?= 1
PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.DEFAULT_GOAL := help
.PHONY: help build test python race vet lint fmt bench bench-quick bench-peers bench-load demo examples cross ci clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build bin/tuner and bin/digits, static and without cgo
	$(GO) build -ldflags '$(LDFLAGS)' -o $(GOBIN_DIR)/ ./cmd/tuner ./examples/digits

test: ## Run all tests
	$(GO) test $(TESTFLAGS) ./...

python: build ## Run the tests of the Python SDK with the system's Python
	TUNER_BIN=$(CURDIR)/bin/tuner python3 -m unittest discover -s api/client/python

# What the race detector finds in any process that the tests start, also in one
# that is killed or whose output nobody reads.
RACES := $(CURDIR)/$(GOBIN_DIR)/races
# The translation of SQLite to Go has the locks of the C original, which nobody
# here changes; watching it takes four times as long as all the rest.
RACEFLAGS := -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libc=-race=false

race: ## Run all tests with the race detector (needs a C compiler)
	@rm -rf '$(RACES)'; mkdir -p '$(RACES)'
	@# Without the setting each process sleeps for a second at its end.
	CGO_ENABLED=1 GORACE='atexit_sleep_ms=10 log_path="$(RACES)/race"' $(GO) test -race $(RACEFLAGS) $(TESTFLAGS) ./...; code=$$?; \
		for report in '$(RACES)'/*; do test ! -e "$$report" || { cat "$$report"; code=1; }; done; exit $$code

vet: ## Check the formatting and run go vet
	@unformatted="$$(gofmt -l .)"; test -z "$$unformatted" || { echo "not gofmt-ed (make fmt):"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...

lint: ## Run golangci-lint: code, and the layer rules of docs/architecture.md
	$(TOOL) golangci-lint run

fmt: ## Format all Go files
	$(TOOL) golangci-lint fmt

bench: ## Run the Go benchmarks: BENCH=regexp PKG=./... COUNT=10, two runs compared by benchstat
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(PKG)

# What bench-quick and bench-peers compare; TUNER_BENCH_DATA names the data.
OWN    ?= tpe,cmaes,qmc,random,goptuna-tpe,goptuna-cmaes
PEERS  ?= optuna-tpe,optuna-cmaes,optuna-random,hyperopt-tpe,nevergrad,rustuna-tpe,cmaes-bipop
TRIALS ?= 100

bench-quick: SEEDS ?= 10
bench-quick: build ## Compare tuner's algorithms with goptuna's on the quick tier: TRIALS=100 SEEDS=10
	bin/tuner bench run --tier quick --contenders $(OWN) --trials $(TRIALS) --seeds $(SEEDS) --out $(GOBIN_DIR)/bench/quick
	$(GO) run ./benchmarks/benchreport --in $(GOBIN_DIR)/bench/quick --baseline goptuna-tpe

bench-peers: SEEDS ?= 5
bench-peers: build ## Install the peers outside of the tree and compare with them on the dev tier: PEERS=… TRIALS=100 SEEDS=5
	benchmarks/peers/install.sh
	bin/tuner bench run --tier dev --contenders $(OWN),$(PEERS) --trials $(TRIALS) --seeds $(SEEDS) --out $(GOBIN_DIR)/bench/dev
	$(GO) run ./benchmarks/benchreport --in $(GOBIN_DIR)/bench/dev --baseline optuna-tpe

# How long the chaos lasts, and how long each rate is measured.
CHAOS ?= 2m
FOR   ?= 20s

bench-load: ## Measure a server under load, at a million trials and in chaos: FOR=20s CHAOS=2m (some 15 minutes)
	$(GO) run ./benchmarks/load rest -for $(FOR)
	$(GO) run ./benchmarks/load open
	$(GO) run ./benchmarks/load idle
	$(GO) run ./benchmarks/load million
	$(GO) test ./benchmarks/load -run '^$$' -bench Two -benchtime 3x
	$(GO) test ./benchmarks/chaos -v -timeout 1h -chaos.for $(CHAOS)

demo: export XDG_DATA_HOME := $(CURDIR)/$(GOBIN_DIR)/demo
demo: build ## Tune a neural network on handwritten digits: N=30 trials, two at a time
	@rm -rf $(XDG_DATA_HOME)
	bin/tuner sweep --min error --stopper median -p lr=1e-3..1.0:log -p hidden=8..128:log -p batch=16,32,64 -p act=relu,tanh -n $(N) -j 2 -- bin/digits {args}
	@echo; echo "The demo's database: bin/tuner trials digits --db $(GOBIN_DIR)/demo/tuner/tuner.db"

examples: build ## Build all examples and run those that have a run.sh
	$(GO) build -o /dev/null ./examples/...
	@set -e; for run in examples/*/run.sh; do \
		test -e "$$run" || continue; echo "== $$run"; PATH="$(CURDIR)/bin:$$PATH" bash "$$run"; done

cross: ## Build dist/tuner for PLATFORMS, static and stripped
	@set -e; for platform in $(PLATFORMS); do \
		os=$${platform%/*}; arch=$${platform#*/}; ext=; test $$os != windows || ext=.exe; \
		out=dist/tuner-$$os-$$arch$$ext; \
		GOOS=$$os GOARCH=$$arch $(GO) build -ldflags '$(LDFLAGS)' -o $$out ./cmd/tuner; \
		echo "$$(wc -c <$$out) $$out"; done

ci: ## Run all checks as CI does
	.ci/run

clean: ## Remove what the targets built
	rm -rf bin dist
