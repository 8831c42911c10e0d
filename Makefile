# make run    from a fresh clone to a PostgreSQL address: needs Rust, installs PostgreSQL
# make test   the whole test suite: installs what it needs
# The tasks themselves are in xtask/ (cargo x --help).

SHELL := /bin/sh

# rustup puts cargo here, and a shell that was open before does not know it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: run test rust

run: rust
	@cargo x setup run
	cargo build --release --package pgmoor-cli
	./target/release/pgmoor up

test: rust
	@cargo x setup test
	@cargo x test

# Rust comes from its own installer, and a linker from the system.
rust:
	@command -v cargo >/dev/null || { \
		echo 'error: cannot build pgmoor'; \
		echo 'cause: "cargo" is not on the search path'; \
		echo 'hint: install Rust as https://rustup.rs says, then run make again'; \
		exit 1; } >&2
	@command -v cc >/dev/null || { \
		if command -v apt-get >/dev/null; then \
			sudo=$$(test "$$(id -u)" = 0 || echo sudo); \
			$$sudo apt-get update && $$sudo apt-get install --yes gcc libc6-dev; \
		else \
			echo 'error: cannot build pgmoor'; \
			echo 'cause: there is no C compiler ("cc")'; \
			echo 'hint: on macOS: xcode-select --install'; \
			exit 1; \
		fi; } >&2
