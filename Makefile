# Dispatches to the parts; holds no build rule of its own. `make help` lists the targets.
#
# Variables given on the command line (make up PORT=3100) reach the scripts and programs through the environment.

PREFIX ?= /usr/local
PG_CONFIG ?= $(firstword $(wildcard /usr/lib/postgresql/15/bin/pg_config) pg_config)
VERSION := $(shell sed -n 's/^ *"version": *"\([0-9][^"]*\)",*$$/\1/p' META.json | head -n 1)

.DEFAULT_GOAL := all

.PHONY: help all extension common gateway poller install install-extension install-programs demo up down check check-quick check-faults \
        lint check-version bench bench-quick bench-growth bench-soak bench-profile bench-report format docs docker deb dist sbom clean

help:
	@echo 'make demo              start everything and walk through a purchase with curl'
	@echo 'make up, make down     start everything; stop it (PURGE=1: and remove the data)'
	@echo 'make                   build extension, gateway and poller'
	@echo 'make install           extension into the server of PG_CONFIG, programs into $$(PREFIX)/bin'
	@echo 'make check             every test; make check-quick: the fast ones; make lint: only the linters'
	@echo 'make bench             measure how fast it is, and write docs/performance.md (bench/run tells the variables)'
	@echo 'make bench-quick       the same shortly; make bench-growth, bench-soak: many orders, a long time;'
	@echo '                       make bench-profile: where the CPU goes'
	@echo 'make check-faults      break one thing after another under load, FAULT_ROUNDS=1 times, and write docs/reliability.md'
	@echo 'make check-version     compare every place that names the version with META.json'
	@echo 'make format            clang-format on all C files'
	@echo 'make docker            the images of docker/; make deb: Debian packages into dist/; make docs: docs/settings.md anew'
	@echo 'make sbom              dist/sbom.cdx.json: what is linked, with versions (CycloneDX)'
	@echo 'make dist              pg_shop-$(VERSION).zip for PGXN; make clean: remove what was built'

all: extension gateway poller

extension:
	+$(MAKE) -C extension PG_CONFIG=$(PG_CONFIG) all

# Both programs would build the library that they share, so it comes first.
common:
	+$(MAKE) -C common all

gateway: common
	+$(MAKE) -C gateway all

poller: common
	+$(MAKE) -C poller all

install: install-extension install-programs

install-extension: extension
	+$(MAKE) -C extension PG_CONFIG=$(PG_CONFIG) install

install-programs: gateway poller
	install -d '$(DESTDIR)$(PREFIX)/bin'
	install -m 755 gateway/shop-gateway poller/shop-poller '$(DESTDIR)$(PREFIX)/bin'
	+@$(MAKE) --no-print-directory -C gateway install-swagger-ui

demo:
	@scripts/demo

up:
	@scripts/up

down:
	@scripts/down

check:
	@scripts/install-dependencies test
	@test/run

check-quick:
	@scripts/install-dependencies test
	@test/run --quick

# The faults of make check FAULT_ROUNDS times, with standstills of 10 s and an outage of 60 s, and docs/reliability.md of it.
FAULT_ROUNDS ?= 1

check-faults:
	@scripts/install-dependencies test
	@FAULT_ROUNDS='$(FAULT_ROUNDS)' FAULT_WAITS=long FAULT_DOCUMENT=docs/reliability.md test/run faults

lint:
	@scripts/install-dependencies test
	@test/run lint

check-version: all
	@scripts/check-version

bench:
	@scripts/install-dependencies bench
	@bench/run full

bench-quick:
	@scripts/install-dependencies bench
	@bench/run quick

bench-growth:
	@scripts/install-dependencies bench
	@bench/run growth

bench-soak:
	@scripts/install-dependencies bench
	@bench/run soak

bench-profile:
	@scripts/install-dependencies bench
	@bench/run profile

bench-report:
	@scripts/install-dependencies bench
	@bench/run report

format:
	clang-format -i $(wildcard common/*.[ch] gateway/*.[ch] poller/*.[ch] extension/src/*.[ch] test/unit/*.[ch] bench/*.[ch])

docs: all
	scripts/settings-reference markdown > docs/settings.md

docker:
	@docker/build

deb:
	@scripts/build-packages

sbom: all
	@scripts/sbom

dist:
	TZ=UTC git archive --format zip --prefix 'pg_shop-$(VERSION)/' --output 'pg_shop-$(VERSION).zip' HEAD

clean:
	+$(MAKE) -C extension PG_CONFIG=$(PG_CONFIG) clean
	+$(MAKE) -C common clean
	+$(MAKE) -C man clean
	+$(MAKE) -C gateway clean
	+$(MAKE) -C poller clean
	+$(MAKE) -C bench clean
	rm -f pg_shop-*.zip
