.DEFAULT_GOAL := help
.PHONY: help knee-run demo setup test test-v2 check advisories fuzz bench soak corpus

# What the examples run stands below target/setup, see scripts/setup.
WITH_SETUP := PATH="$(CURDIR)/target/setup/venv/bin:$$PATH:/usr/local/sbin:/usr/sbin:/sbin"
EXAMPLE ?= gunicorn

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## tune an example service here and now; EXAMPLE=node picks another
	@scripts/demo $(EXAMPLE)

setup: ## bring what the examples and tests run (demo and test do so themselves)
	@scripts/setup --browser

test: setup ## every test, on the real runtimes
	$(WITH_SETUP) cargo test --workspace --locked --no-fail-fast

test-v2: setup ## the tests that meet cgroups, under cgroup v2 and systemd, on a kernel of their own; as root
	$(WITH_SETUP) scripts/test-v2 $(FILTER)

# A target of its own, as build scripts must not be linked statically: musl's where it is installed
# (rustup target add x86_64-unknown-linux-musl), else the host's with the C library linked in.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
MUSL = $(subst -gnu,-musl,$(HOST))
STATIC = $(if $(wildcard $(shell rustc --print sysroot)/lib/rustlib/$(MUSL)/lib),$(MUSL),$(HOST))

knee-run: ## the container's entrypoint as a static program below target/; TARGET=aarch64-unknown-linux-musl for ARM
	@scripts/knee-run $(or $(TARGET),$(STATIC))

check: ## format, lints, and the licences of all dependencies; Rust as Cargo.toml states or newer
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@if command -v cargo-deny >/dev/null; then \
		cargo deny --locked check --hide-inclusion-graph bans licenses sources; \
	else \
		echo "check: licences were not checked; to have them checked: cargo install --locked cargo-deny"; \
	fi

bench: setup ## what BENCHMARKS.md reports, on an idle machine; GRID="node --task 0.5" picks from the grid, which takes hours
	@scripts/bench-setup
	$(WITH_SETUP) cargo bench --locked -p knee-plan --bench simulator
	$(WITH_SETUP) cargo bench --locked -p knee-measure --bench generator
	$(WITH_SETUP) cargo bench --locked -p knee-tune --bench observer
	$(WITH_SETUP) cargo bench --locked -p knee-tune --bench stall
	$(WITH_SETUP) cargo bench --locked -p knee-run --bench boot
	$(WITH_SETUP) cargo bench --locked -p knee-run --bench watch
	$(WITH_SETUP) cargo bench --locked -p knee-run --bench stop -- --stops 10
	$(WITH_SETUP) cargo bench --locked -p knee --bench throughput
	$(WITH_SETUP) cargo bench --locked -p knee-tune --bench grid -- $(GRID)
	$(WITH_SETUP) cargo bench --locked -p knee-tune --bench regret
	$(WITH_SETUP) cargo bench --locked -p knee-tune --bench forecast

corpus: ## how much the audit finds in repositories with labels: CORPUS=labels.json REPOS=folder, each repository there as owner+name
	@scripts/corpus-setup
	CORPUS="$(abspath $(CORPUS))" REPOS="$(abspath $(REPOS))" LINTERS="$(CURDIR)/target/setup/linters/bin" \
		cargo bench --locked -p knee --bench corpus

soak: setup ## what takes an hour: leaks under load that comes and goes, fifty stops of each service, bare and with knee-run
	@scripts/bench-setup
	$(WITH_SETUP) cargo bench --locked -p knee-run --bench leaks
	$(WITH_SETUP) cargo bench --locked -p knee-run --bench stop

advisories: ## known vulnerabilities of the dependencies; needs cargo-deny and the network
	cargo deny --locked check advisories

# Without a nightly compiler the stable one is told to take its flags; AddressSanitizer is left out then.
FUZZ = $(if $(shell rustup toolchain list 2>/dev/null | grep nightly),cargo +nightly fuzz run,RUSTC_BOOTSTRAP=1 cargo fuzz run -s none)

fuzz: ## every reader of users' files against any text; needs cargo-fuzz; READER=nginx picks one, SECONDS=600 the time for each
	@for reader in $(or $(READER),$(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))); do \
		echo "fuzz: $$reader"; \
		mkdir -p "fuzz/corpus/$$reader"; \
		$(FUZZ) "$$reader" "fuzz/corpus/$$reader" examples -- -max_len=4096 -max_total_time=$(or $(SECONDS),60) -verbosity=0 || exit 1; \
	done
