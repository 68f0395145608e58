.DEFAULT_GOAL := help
.PHONY: help demo setup test check

# What the examples run stands below target/setup, see scripts/setup.
RUN := PATH="$(CURDIR)/target/setup/venv/bin:$$PATH:/usr/local/sbin:/usr/sbin:/sbin"
EXAMPLE ?= gunicorn

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## tune an example service here and now; EXAMPLE=node picks another
	@scripts/demo $(EXAMPLE)

setup: ## bring what the examples and tests run (demo and test do so themselves)
	@scripts/setup --browser

test: setup ## every test, on the real runtimes
	$(RUN) cargo test --workspace --locked

check: ## format and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
