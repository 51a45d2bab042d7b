# make demo   the main job on an empty machine: a million card transactions, from producer to table
# make test   everything that must hold; installs what the client tests need by itself
# make check  what must pass before a push: format, clippy, tidy, tests, docs, and make aside
# make aside  what stands beside the product: the simulation runs, the fuzz targets compile
# make bench  speed and memory beside their targets, on the release build
# make chaos  every crash point of the store, kill -9 at hundreds of random moments, of the store and of the server
#
# Needs Rust and a C compiler; `make test` and `make chaos` also Python 3.11 or newer, and Java 17 and Maven for
# the tests of the KCL, which say so where they are missing. `make test` tries the AWS SDK for
# JavaScript, too, and says so loudly where Node.js is missing.
# ARGS= passes options on: make demo ARGS="--records 100000 --keep"

CARGO ?= cargo
TARGET = $(or $(CARGO_TARGET_DIR),target)
PYTHON = tests/clients/.venv/bin/python
PYTEST = HEADWATER_BIN=$(abspath $(TARGET)/debug/headwater) $(PYTHON) -m pytest tests/clients

.PHONY: demo test check aside bench chaos build clients rust-tests client-tests

demo: build
	$(TARGET)/debug/headwater demo $(ARGS)

test: clients rust-tests build client-tests
	@echo "make test: everything passed"

check:
	$(CARGO) xtask check

aside:
	$(CARGO) xtask aside

bench:
	$(CARGO) build --release --package headwater-cli
	$(TARGET)/release/headwater bench $(ARGS)

chaos: clients build
	HEADWATER_CHAOS=1 $(CARGO) test --package headwater-store --test store
	$(CARGO) test --locked --manifest-path sim/Cargo.toml
	$(PYTEST) -m chaos --chaos-kills 100 $(ARGS)

build:
	$(CARGO) build --package headwater-cli

clients:
	tests/clients/setup.sh

rust-tests:
	$(CARGO) xtask tidy
	$(CARGO) test --workspace

client-tests: build
	$(PYTEST) $(ARGS)
