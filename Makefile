# authsome: `make` builds, `make test` sets up what the tests need and runs all of them.

GO       ?= go
export CGO_ENABLED ?= 0
SYSTEMS  := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.PHONY: all build demo load matrix test deps check fmt vet lint cross conformance agents fuzz bench dist clean

all: build

build: ## one static binary
	$(GO) build -trimpath -ldflags '-s -w' -o authsome ./cmd/authsome

demo: ## the main job, offline
	$(GO) run ./cmd/authsome demo

test: deps check ## everything CI runs
	.ci/test

deps: ## what the tests run against, from the system's package registry
	.ci/deps

check: fmt vet cross ## what needs no test run

fmt:
	@test -z "$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go'))" || { gofmt -d $$(git ls-files -co --exclude-standard '*.go'); exit 1; }

vet:
	$(GO) vet ./...
	$(GO) vet -C bench ./...

cross: ## the systems we build for compile and vet
	for system in $(SYSTEMS); do \
		GOOS=$${system%/*} GOARCH=$${system#*/} $(GO) vet ./cmd/... ./internal/... || exit 1; \
	done

dist: ## a static binary for each system in dist, and their checksums
	rm -rf dist && mkdir dist
	for system in $(SYSTEMS); do \
		os=$${system%/*}; ext=; if [ $$os = windows ]; then ext=.exe; fi; \
		GOOS=$$os GOARCH=$${system#*/} $(GO) build -trimpath -ldflags '-s -w' -o dist/authsome-$$os-$${system#*/}$$ext ./cmd/authsome || exit 1; \
	done
	cd dist && sha256sum authsome-* >SHA256SUMS

lint: ## the rules of .golangci.yml
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run

load: ## the load tests in full size: some twenty minutes, 20,000 descriptors; LOAD_SOAK=1h for a longer soak, LOAD_BYTES for other bodies than 10 GiB
	LOAD_FULL=1 $(GO) test -count=1 -timeout 3h -v ./test/load

matrix: ## every client, in the plain and in the corporate world; builds those in Rust from Debian's packages
	MATRIX_FULL=1 test/matrix/deps
	MATRIX_FULL=1 $(GO) test -count=1 -timeout 60m -v ./test/matrix

conformance: ## the suites in their long versions, minutes; needs Debian's testssl.sh too
	CONFORMANCE_FULL=1 $(GO) test -count=1 -timeout 60m -v ./test/conformance

agents: ## every coding agent there is a test for; in `make test` the heaviest is left out
	AGENTS_FULL=1 test/agents/deps
	AGENTS_FULL=1 $(GO) test -count=1 -timeout 20m -v ./test/agents

fuzz: ## 20 s for each fuzz target
	.ci/fuzz 20s

bench: ## beside other proxies; needs root and bench/deps
	$(GO) run -C bench . -docs

clean:
	rm -rf authsome dist
