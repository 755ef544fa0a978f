# What can be made. Each target says what it does while it does it; a second run is quick, because
# what is there already is left alone.

TARGET := $(or $(CARGO_TARGET_DIR),target)
EVERBOND := $(TARGET)/release/everbond

.PHONY: help demo test build web fmt clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo    a company with 300 products and its customers, live, on this machine'
	@echo 'make build   the program, at $(EVERBOND), with the companion in it'
	@echo 'make test    all checks and tests; the last line says how many passed and failed'
	@echo 'make fmt     put the source into its form'
	@echo 'make clean   take away what was made here'

demo: build
	@echo '== demo: $(EVERBOND) demo'
	@$(EVERBOND) demo $(DEMO)

build: web
	@scripts/setup.sh rust
	@echo '== build: cargo build --release -p server'
	@cargo build --locked --release -p server

web:
	@scripts/setup.sh web
	@scripts/web.sh

test:
	@scripts/test.sh

fmt:
	cargo fmt --all

clean:
	cargo clean
	rm -rf web/node_modules web/companion/dist tests/sdks/node_modules tests/sdks/.venv .tools
