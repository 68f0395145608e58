.PHONY: test check

test: ## every test
	cargo test --workspace --locked

check: ## format and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
