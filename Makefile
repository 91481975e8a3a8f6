# `make` alone says what there is.

SHELL := /bin/bash -o pipefail

GOLANGCI_LINT_VERSION := v2.15.0
WORKFLOWCHECK_VERSION := v0.6.0

bin     := $(CURDIR)/bin
tools   := $(bin)/tools
# Modules, in the order in which they are tested. The servers in deploy/engines are built, and
# tested, by the packages of internal/engines. Linters would spend minutes on what
# deploy/engines/temporal imports.
modules := . deploy/dev deploy/engines/openid
# The packages of the first module that take longest, mostly waiting for a server:
# the others are tested beside them.
slow := ./internal/driver/openstack ./activities ./internal/driver/openshift
# The tests of the source text have no goroutines, and take 14 times as long with the
# race detector.
source := ./internal/archtest
# What the tests of a bare Debian lack. Elsewhere they say what they miss.
packages := postgresql keystone gunicorn python3-psycopg2

# What make soak runs, and how many draws it makes of each property.
soak_tests  := TestOracle|TestInversionsAreNoticed
SOAK_CHECKS ?= 20000

golangci_lint := $(tools)/golangci-lint-$(GOLANGCI_LINT_VERSION)
workflowcheck := $(tools)/workflowcheck-$(WORKFLOWCHECK_VERSION)

.DEFAULT_GOAL := help

.PHONY: help
help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/rollcall, bin/rollcall-worker, bin/rollcall-dev and bin/rollcall-sim
	go build -o $(bin)/rollcall ./starter
	go build -o $(bin)/rollcall-worker ./worker
	cd deploy/dev && go build -o $(bin)/rollcall-dev . && go build -o $(bin)/rollcall-sim ./sim

# A demo on a machine that has no Temporal server of the tests compiles without
# optimisation, debug information and C, which takes a quarter less time. rollcall-dev
# builds the other programs with its own flags, as they share most packages. go list
# downloads their modules meanwhile.
engines := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rollcall/engines
built    = $(filter-out %-quick %.part %.modules,$(wildcard $(engines)/temporal-*))
quick    = -gcflags='all=-N -l -dwarf=false' -ldflags='-s -w'

.PHONY: demo
demo: ## run all of it with an example; ARGS=--once ends after the result
	@echo "Building the program that builds and starts all else: a minute or two the first time, seconds later"
	@$(if $(built),,go list -deps ./starter ./worker >/dev/null 2>&1 & )cd deploy/dev && $(if $(built),,CGO_ENABLED=0) GOGC=400 go build $(if $(built),,$(quick)) -o $(bin)/rollcall-dev .
	@$(bin)/rollcall-dev --build $(CURDIR) $(ARGS)

.PHONY: test
test: packages ## every test of every module, with the race detector
	@status=0; for module in $(modules); do \
		echo "== $$module"; \
		(cd $$module && go test -race -vet=off -p 3 -timeout 60m $$([ $$module = . ] && echo $(slow)) \
			$$(go list ./... | grep -v '/internal/archtest$$')) || status=1; \
	done; go test -vet=off $(source) || status=1; exit $$status

.PHONY: quick
quick: ## the hermetic tests: no server is started
	go test -short ./...

.PHONY: bench
bench: packages ## measure against the bars, on the real engines
	go test -run '^$$' -bench . -benchmem ./internal/...
	cd deploy/dev && go test -run '^$$' -bench . -benchtime 1x -timeout 30m ./...

# Each test that runs here logs a line "soak: ..."; the last line joins them.
.PHONY: soak
soak: packages ## what is too long for CI: the last line sums it up
	@mkdir -p $(bin); export ROLLCALL_SOAK=1; status=0; \
	soak="go test -count=1 -timeout 2h -v"; { \
	$$soak -run '^($(soak_tests))$$' ./internal/plan -rapid.checks=$(SOAK_CHECKS) || status=1; \
	$$soak -run '^TestSpec_HoldsForRequests$$' ./internal/api || status=1; \
	$$soak -race -run '^TestWhoWasTakenOutStaysOut$$' ./activities || status=1; \
	cd deploy/dev && $$soak -run '^TestWorkerKilled' ./e2e || status=1; \
	$$soak -run '^TestRevocationDuringSweeps$$' ./e2e || status=1; \
	$$soak -run '^TestDemoRename$$' . || status=1; \
	} > $(bin)/soak.log 2>&1; \
	grep -E '^(ok|FAIL|panic:)|^ *--- FAIL' $(bin)/soak.log; \
	echo "soak: $$([ $$status -eq 0 ] && echo passed || echo FAILED, see bin/soak.log): \
	$$(sed -n 's/.* soak: //p' $(bin)/soak.log | paste -sd '#' | sed 's/#/; /g')"; exit $$status

.PHONY: lint
lint: $(golangci_lint) $(workflowcheck) ## format, golangci-lint with vet, workflow determinism
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then \
		echo "run make fmt: $$unformatted"; exit 1; fi
	@status=0; for module in $(modules); do \
		echo "== $$module"; \
		(cd $$module && $(golangci_lint) run --allow-serial-runners --config $(CURDIR)/.golangci.yml ./...) || status=1; \
	done; exit $$status
	$(workflowcheck) ./workflows/...

.PHONY: fmt
fmt: ## format the code
	gofmt -w .

.PHONY: histories
histories: ## record the workflow histories that the replay test replays
	cd deploy/dev && go test ./e2e -run TestRecordHistories -record -count=1

.PHONY: transcripts
transcripts: ## record the transcripts of all commands; ARGS=-dump also dumps the database
	cd deploy/dev && go test ./e2e -run TestTranscripts -count=1 -update $(ARGS)
	go test ./starter -run Transcripts -count=1 -update-unreached

.PHONY: docs
docs: ## write what is generated: the golden files and pages
	go generate ./...

.PHONY: packages
packages: # install the servers that tests start, where that is possible
	@deploy/dev/packages.sh $(packages) || [ $$? -eq 3 ] # 3: told what is missing

.PHONY: clean
clean: ## remove what was built
	rm -rf $(bin)

# Tools are built by the Go that builds Rollcall, one file a version.
$(golangci_lint):
	GOBIN=$(tools)/new go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(tools)/new/golangci-lint $@

$(workflowcheck):
	GOBIN=$(tools)/new go install go.temporal.io/sdk/contrib/tools/workflowcheck@$(WORKFLOWCHECK_VERSION)
	mv $(tools)/new/workflowcheck $@
