# make            this list
# Every target runs from a clean clone; `make needs` says what is missing.

GO         ?= go
BINARY     := ./bin/tapecast
BUILDFLAGS := -trimpath -ldflags "-s -w"
TESTFLAGS  ?= -timeout 15m

# What `go run` fetches at check; pinned, never @latest.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Folders whose tests run under the race detector, and those with hot paths
# to benchmark. A folder not there yet is passed over.
RACE_DIRS  := feed sequencer recovery multicast
BENCH_DIRS := feed sequencer recovery multicast bench

FUZZTIME       ?= 10s
CHECK_FUZZTIME ?= 5000x
BENCHTIME      ?= 1s
BENCH          ?= .
SOAK           ?= 1h
KILLS          ?= 1000

below = $(patsubst %,./%/...,$(wildcard $(1)))

.DEFAULT_GOAL := help
.PHONY: help needs go-version build demo test full check fmt vet staticcheck tidy race race-short fuzz sim mutants mutants-today soak kills images bench bench-full bench-code clean

help: ## print this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | expand -t 14

needs: go-version ## say what is missing for all tests to run
	@for tool in ip:iproute2 nft:nftables ethtool:ethtool strace:strace jq:jq zstd:zstd chronyd:chrony; do \
		command -v $${tool%%:*} >/dev/null || \
		echo "make: no $${tool%%:*}, tests that need it will skip: apt-get install $${tool##*:}" >&2; \
	done
	@test "$$(id -u)" = 0 || echo "make: not root, tests in network namespaces will skip" >&2
	@test -d "$${TAPECAST_DATA:-../shared/data}" || \
		echo "make: no market data in $${TAPECAST_DATA:-../shared/data}, tests on it will skip: set TAPECAST_DATA" >&2

go-version:
	@have=$$($(GO) env GOVERSION 2>/dev/null || true); case "$$have" in \
	go1.2[6-9]*|go1.[3-9][0-9]*|go[2-9]*|devel*) ;; \
	*) echo "make: Go 1.26 or later is needed, found $${have:-none}: install it from https://go.dev/dl/, or name it with make GO=PATH" >&2; exit 1;; \
	esac

build: go-version ## build ./bin/tapecast
	CGO_ENABLED=0 $(GO) build $(BUILDFLAGS) -o $(BINARY) ./cmd/tapecast

demo: build ## show loss being repaired, on loopback, in half a minute
	$(BINARY) demo

# One package after the other: what runs real processes or measures needs the cores.
test: needs ## run all tests
	$(GO) test -p 1 $(TESTFLAGS) ./...

full: needs ## run the end-to-end tests at full size, in ten minutes
	TAPECAST_FULL=1 $(GO) test -count=1 -v -timeout 30m ./tools/e2e

check: fmt vet staticcheck tidy race-short sim ## what a commit must pass, with a moment of each fuzz target
	@$(MAKE) --no-print-directory fuzz FUZZTIME=$(CHECK_FUZZTIME)

fmt: go-version
	@bad=$$(gofmt -l .); test -z "$$bad" || { echo "gofmt -w these:"; echo "$$bad"; exit 1; } >&2

vet: go-version
	$(GO) vet ./...

staticcheck: go-version
	$(GO) run $(STATICCHECK) ./...

tidy: go-version ## check the house rules
	$(GO) test ./tools/tidy

race: go-version ## run the tests of what decides and of the sockets under the race detector
	CGO_ENABLED=1 $(GO) test -race $(TESTFLAGS) $(call below,$(RACE_DIRS))

race-short: TESTFLAGS += -short
race-short: race

# One at a time, as go test demands, and so that each has all cores. A number of
# inputs (5000x) rather than a time where nothing may fail by chance: go test can
# take the end of the time for a failure ("context deadline exceeded").
fuzz: go-version ## run each fuzz target for FUZZTIME
	@set -e; $(GO) list -f '{{.Dir}}' ./... | while read -r dir; do \
		for target in $$(grep -hso '^func Fuzz[A-Za-z0-9_]*' "$$dir"/*_test.go | cut -c6-); do \
			echo "fuzz $${dir#$(CURDIR)/} $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s "$$dir" </dev/null; \
		done; \
	done

# With the flags of `make test`, so that go test runs it once for both.
sim: go-version ## run 1,000 seeds in the simulator, which must reach everything (SEEDS=A-B: those)
	$(if $(SEEDS),$(GO) run ./tools/sim -seeds $(SEEDS),$(GO) test $(TESTFLAGS) ./tools/sim)

mutants: go-version ## plant every bug of tools/mutants and let the simulator find it: 4 minutes
	$(GO) run ./tools/mutants

mutants-today: go-version ## a few of them, others every day
	$(GO) run ./tools/mutants -sample 8

soak: go-version ## run everything on loopback for SOAK (1h): equal chains, flat memory, goroutines, descriptors
	TAPECAST_SOAK=$(SOAK) $(GO) test -count=1 -timeout 0 -v -run '^TestSoak$$' ./tools/e2e

kills: go-version ## kill serve and receivers KILLS (1000) times in each durability mode
	TAPECAST_KILLS=$(KILLS) $(GO) test -count=1 -timeout 0 -v -run '^TestSIGKILL$$' ./tools/e2e

images: go-version ## every bit of a 1 MiB journal flipped, and a million crash images of journals: 4 minutes
	TAPECAST_FLIPS=1 TAPECAST_IMAGES=1000000 $(GO) test -count=1 -timeout 0 -v -run '^(TestFlipMebibyte|TestImages)$$' ./sequencer/journal

# Results and plots go to bench/results. Quiet machines only: it takes all of one.
bench: go-version ## measure beside bare sockets and peers, some minutes
	$(GO) run ./bench/compare -form short

bench-full: go-version ## the same with more turns and longer runs, an hour and a half or so, by its parts
	$(GO) run ./bench/compare -form full

bench-code: go-version ## run the benchmarks of the packages (BENCH=regexp)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem $(call below,$(BENCH_DIRS))

clean: ## remove what the targets above made
	rm -rf bin bench/results
