# Everything is run from here; `make help` lists it.
#
# The Go toolchain is the one that go.mod names, whatever the machine's default is, so that a build is the same everywhere.
export GOTOOLCHAIN := $(shell sed -n 's/^toolchain //p' go.mod)

# HUB is the version of JupyterHub that demo and e2e run against; RUN narrows e2e to the points whose name matches (a go test -run pattern).
HUB      ?= 5.5.1
RUN      ?= .
# FIGURES has flags for figures: -only revoke, -rounds 100.
FIGURES  ?=
# PROXY=chp runs e2e against configurable-http-proxy, for the reference figures. Needs npm.
PROXY    ?= share-proxy
FUZZTIME ?= 20s
# SEED repeats a plan of chaos (0: a new one), TIME prolongs it with faults at random, ONLY narrows it to the schedules whose name matches.
SEED     ?= 0
TIME     ?= 4m
ONLY     ?= .

VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT   := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
VENV     := $(CURDIR)/.venv/hub-$(HUB)
# Pinned, so that a lint that passes today passes tomorrow.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.DEFAULT_GOAL := help
.PHONY: help build test bench figures lint fuzz chaos venv chp demo e2e timeline clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' Makefile

build: ## bin/share-proxy, one static binary, and bin/configurable-http-proxy, a symlink to it
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/share-proxy ./cmd/share-proxy
	ln -sf share-proxy bin/configurable-http-proxy

test: ## gofmt, vet and all tests; needs only Go
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	  if [ -n "$$unformatted" ]; then echo "not gofmt-clean:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go test -race -shuffle=on -count=1 ./...

bench: ## figures, no verdict: requests against a bare ReverseProxy, memory of idle sockets, a revoke of 10,000
	go test -run '^$$' -bench . -benchtime 1x -benchmem ./proxy
	go test -run '^$$' -bench . -benchmem ./authz ./authz/ledger ./proxy/live ./proxy/route ./proxy/routeapi ./proxy/target

figures: build ## figures of several replicas, no verdict: revoke, 2,000 sockets, Redis per request, routes; needs redis-server
	cd deploy/e2e && go run ./figures -proxy '$(CURDIR)/bin/share-proxy' $(FIGURES)

lint: ## staticcheck over the product and the e2e module
	go run $(STATICCHECK) ./...
	cd deploy/e2e && go vet ./... && go run $(STATICCHECK) ./...

chaos: build ## faults by a seeded plan on real Redis, checked against what is promised; SEED=n, TIME=4m, ONLY=regexp
	@mkdir -p build && go build -o build/chaos-run ./deploy/chaos
	build/chaos-run -seed '$(SEED)' -time '$(TIME)' -only '$(ONLY)'

fuzz: ## every fuzz target for FUZZTIME (20s)
	@set -e; grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n1 dirname | sort -u | while read -r dir; do \
	  go test -list '^Fuzz' $$dir | grep '^Fuzz' | while read -r name; do \
	    echo "== $$dir $$name"; go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$dir </dev/null || exit 1; \
	  done; \
	done

venv: $(VENV)/.ready ## the virtual environment of demo and e2e: JupyterHub $(HUB), JupyterLab, jupyter-collaboration

$(VENV)/.ready: deploy/e2e/venv.sh
	deploy/e2e/venv.sh '$(HUB)' '$(VENV)'

chp: build/chp/node_modules/.bin/configurable-http-proxy ## configurable-http-proxy 5.3.0, for e2e with PROXY=chp

build/chp/node_modules/.bin/configurable-http-proxy:
	mkdir -p build/chp && npm install --silent --no-fund --no-audit --prefix build/chp configurable-http-proxy@5.3.0

demo: build venv ## a hub with share-proxy in front at 127.0.0.1:8000; CHECK=1 plays the story by itself
	@HUB_VENV='$(VENV)' CHECK='$(CHECK)' deploy/demo/run.sh

e2e: build venv $(if $(filter chp,$(PROXY)),chp) ## real clients against a real JupyterHub with share-proxy as its proxy; HUB=6.0.0b2, RUN=regexp
	cd deploy/e2e && HUB_VENV='$(VENV)' HUB_VERSION='$(HUB)' PROXY='$(PROXY)' REPO='$(CURDIR)' \
	  go test -count=1 -timeout 25m -run '$(RUN)' -v .

timeline: ## draw docs/images/revoke.svg from the figures of the last e2e
	mkdir -p docs/images
	cd deploy/e2e && go run ./cmd/timeline -in '$(CURDIR)/build/e2e.json' -out '$(CURDIR)/docs/images/revoke.svg'

clean: ## remove what was built; the virtual environments stay (rm -r .venv)
	rm -rf bin build
