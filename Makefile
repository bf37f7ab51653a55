# Two commands are enough: `make quickstart` and `make test`. They fetch what they need into NAS_CACHE, outside the checkout.
# Set NAS_CACHE, CARGO_TARGET_DIR or LIBTORCH in the environment to use another place (or a libtorch 2.13.0 of your own).
SHELL := bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

ifndef NAS_CACHE
NAS_CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/nas-operator
endif
ifndef CARGO_TARGET_DIR
CARGO_TARGET_DIR := $(NAS_CACHE)/target
endif
ifeq ($(shell uname -sm),Linux x86_64)
prepared := $(shell NAS_CACHE='$(NAS_CACHE)' scripts/libtorch.sh --path)
endif
ifndef LIBTORCH
LIBTORCH := $(prepared)
endif
LD_LIBRARY_PATH := $(LIBTORCH)/lib$(addprefix :,$(LD_LIBRARY_PATH))
# Threads of GNU's OpenMP spin while they wait: beside one busy neighbour that makes training many times slower.
GOMP_SPINCOUNT ?= 0
ifndef NAS_PROGRAMS
NAS_PROGRAMS := $(shell NAS_CACHE='$(NAS_CACHE)' scripts/programs.sh --path)
endif
environment := NAS_CACHE CARGO_TARGET_DIR LIBTORCH LD_LIBRARY_PATH GOMP_SPINCOUNT NAS_PROGRAMS
export $(environment)

# One set of flags for all of cargo's work, so that everything is compiled once. CI must not change Cargo.lock.
flags := --release --workspace $(if $(CI),--locked)
stage := @scripts/stage.sh

TEST := check-fmt check-arrows check-docs check-lints check-tests check-python check-generated kind-e2e
VERIFY := verify-winner verify-pytorch verify-crashes verify-versions verify-observability verify-kueue verify-docs compare-search verify-cluster release

.PHONY: help setup programs build quickstart test $(TEST) generate fmt verify $(VERIFY) verify-gpu ablation ceiling mutants fuzz bench bench-trainer bench-trainer-gpu bench-control-plane audit env clean-cache

help: ## what can be made
	@awk -F ': .*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## fetch libtorch into the cache (about 540 MB, once) and say what tools are missing
	@scripts/preflight.sh
	@if [ '$(LIBTORCH)' = '$(prepared)' ]; then scripts/libtorch.sh >/dev/null; fi
	@scripts/claim-target.sh

programs: ## build the programs of a test cluster into the cache (about 8 minutes, once)
	@if [ ! -d '$(NAS_PROGRAMS)' ]; then scripts/programs.sh >/dev/null; fi
	@scripts/go-tools.sh helm3 >/dev/null && scripts/schemas.sh >/dev/null && scripts/axe.sh >/dev/null

build: setup ## build everything; the programs are in bin/ (nasctl also as kubectl-nas, a plugin)
	cargo build $(flags) --bins
	@mkdir -p bin && ln -sfn '$(LIBTORCH)/lib' bin/lib
	@for program in nasctl nas-operator nas-trainer; do \
	  cp "$$CARGO_TARGET_DIR/release/$$program" bin/$$program.tmp && mv -f bin/$$program.tmp bin/$$program || exit; done
	@ln -sfn nasctl bin/kubectl-nas && ln -sfn nasctl bin/kubectl_complete-nas

quickstart: build ## set up, build, and search an architecture on this machine (results in runs/)
	bin/nasctl run configs/quickstart.yaml

test: setup ## what CI runs: all the check-* stages, with the time of each
	@+scripts/stages.sh $(TEST)

# fuzz/ is a workspace of its own.
check-fmt: ## stage: the code is formatted
	$(stage) check-fmt sh -c 'cargo fmt --all -- --check && rustfmt --check --edition 2024 fuzz/src/*.rs fuzz/targets/*.rs'

check-arrows: ## stage: the crates depend on each other downwards only
	$(stage) check-arrows scripts/check-arrows.sh

check-docs: ## stage: links between the project's pages lead somewhere, and every page is in the book
	$(stage) check-docs scripts/check-docs.py

check-lints: setup ## stage: clippy and rustdoc find nothing
	$(stage) check-lints sh -c 'cargo clippy $(flags) --all-targets -- -D warnings && RUSTDOCFLAGS="-D warnings" cargo doc $(flags) --no-deps'

# Properties draw the same in each run; another seed looks elsewhere.
PROPTEST_RNG_SEED ?= 1
check-tests: setup programs ## stage: the tests of all crates
	$(stage) check-tests env PROPTEST_RNG_SEED=$(PROPTEST_RNG_SEED) cargo test $(flags) --no-fail-fast

check-python: build programs ## stage: the Python package: its types, and its tests with nasctl and a real API server
	$(stage) check-python scripts/check-python.sh

check-generated: setup programs ## stage: the generated files are what their programs make
	$(stage) check-generated scripts/check-generated.sh

generate: setup programs ## make the generated files anew (crds/, what the chart has of them and renders, docs/reference.md, docs/report.schema.json)
	cargo build $(flags) --bins
	"$$CARGO_TARGET_DIR/release/crdgen"
	"$$CARGO_TARGET_DIR/release/reportgen"
	"$$CARGO_TARGET_DIR/release/referencegen"
	"$$CARGO_TARGET_DIR/release/policygen"
	cp crds/*.yaml charts/nas-operator/files/
	scripts/chart-readme.py
	scripts/render-chart.sh

fmt: ## format the code
	cargo fmt --all
	rustfmt --edition 2024 fuzz/src/*.rs fuzz/targets/*.rs

verify: setup ## what takes long: all stages below
	@+scripts/stages.sh $(VERIFY)

verify-winner: build ## stage: the search's winner is trained in full and checked
	$(stage) verify-winner scripts/verify-winner.sh

verify-pytorch: build ## stage: the PyTorch example keeps to the contract (fetches PyTorch, about 2.5 GB, once; says so where it cannot)
	$(stage) verify-pytorch scripts/verify-pytorch.sh

# By itself: most machines have none.
verify-gpu: build ## stage: the trainer on this machine's GPU (docs/gpu.md; says so where there is none)
	$(stage) verify-gpu scripts/verify-gpu.sh

verify-crashes: setup programs ## stage: the operator dies at every write of a search (about 8 minutes; writes docs/results/crashes.md)
	$(stage) verify-crashes scripts/verify-crashes.sh

verify-versions: setup programs ## stage: the operator on the oldest and the newest Kubernetes (about a quarter of an hour, and half an hour once to build them; writes docs/results/kubernetes-versions.md)
	$(stage) verify-versions scripts/verify-versions.sh

verify-observability: build programs ## stage: a real Prometheus finds what every panel and alert asks for (about two minutes)
	$(stage) verify-observability scripts/verify-observability.sh

verify-kueue: setup programs ## stage: a search in a queue of the real Kueue (about a minute, and four once to build it)
	$(stage) verify-kueue cargo test $(flags) --test kueue -- --ignored --nocapture

verify-docs: ## stage: the documentation as a book in runs/book (builds mdBook once, some minutes)
	$(stage) verify-docs scripts/verify-docs.sh

# By itself, without the workspace: whoever only compares needs no libtorch.
compare-search: ## stage: samplers and schedulers on recorded learning curves, beside other programs (about four minutes; writes docs/results/search*)
	$(stage) compare-search cargo run --release $(if $(CI),--locked) -p nas-simulation --bin compare-search -- docs/results

ablation: ## what each part of the guided sampler is worth (about ten minutes; writes docs/results/ablation.md)
	cargo run --release $(if $(CI),--locked) -p nas-simulation --bin compare-search -- --ablation docs/results

ceiling: ## what could be reached where parts interact, if more were known than can be (about three minutes; writes docs/results/ceiling.md)
	cargo run --release $(if $(CI),--locked) -p nas-simulation --bin compare-search -- --ceiling docs/results 20

kind-e2e: build programs ## stage: a search on a real kind cluster (needs a container engine, or root and NAS_ENGINE=own; says so where not)
	$(stage) kind-e2e scripts/kind-e2e.sh

verify-cluster: build programs ## stage: a longer search there in bad weather: kills, drains, a lost node, rollback (eleven minutes; writes docs/results/cluster.md)
	$(stage) verify-cluster scripts/verify-cluster.sh

# What `--version` says. Only here: nasctl would otherwise be compiled anew after every commit.
release: export NAS_COMMIT := $(or $(shell git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null),unknown)
release: build programs ## stage: all that a release consists of, in dist/, checked and not published (docs/releasing.md; CUDA=1: also the image for GPUs)
	$(stage) release scripts/release.sh

audit: setup ## stage: licences, duplicates and sources of all dependencies, and that all are used (cargo-deny, offline, and cargo-machete)
	$(stage) audit scripts/audit.sh

# By itself, as compare-search is.
mutants: ## change the deciding code place by place, and see that a test fails (SHARD=0/4 FILES="ranking.rs": a part of it)
	scripts/mutants.sh '$(or $(SHARD),0/1)' $(FILES)

fuzz: setup ## give the parsers of what others write inputs that reach ever more of their code (ten minutes each; TIME=60 TARGETS="report data": a part of it)
	scripts/fuzz.sh '$(or $(TIME),600)' $(TARGETS)

bench-trainer: build ## a training step beside the same network in PyTorch (fetches PyTorch, about 2.5 GB, once; 20 minutes; writes docs/results/training-speed.md)
	packages=$$(scripts/pytorch.sh) && \
	  python3 trainer/benches/pytorch/compare.py "cargo bench --quiet -p nas-trainer --bench step --" "$$packages" --page docs/results/training-speed.md

bench-trainer-gpu: build ## the same on this machine's GPU, in bf16 (docs/gpu.md; half an hour; writes docs/results/training-speed-gpu.md)
	packages=$$(scripts/pytorch.sh) && NAS_LIBTORCH_CUDA=$${NAS_LIBTORCH_CUDA:-$$packages/torch/lib/libtorch_cuda.so} \
	  python3 trainer/benches/pytorch/compare.py "cargo bench --quiet -p nas-trainer --bench step --" "$$packages" --device cuda --page docs/results/training-speed-gpu.md

bench-control-plane: setup programs ## 10,000 trials, 500 at the same time, on simulated nodes (35 minutes on quiet cores; writes docs/results/control-plane.md)
	cargo build --release --package nas-testkit --bins
	cargo bench --package nas-operator --bench control_plane -- --page "$$PWD/docs/results/control-plane.md"

bench: ## what a decision costs: one report among 1,000 to 100,000 trials (docs/results/decision-cost.md)
	cargo bench -p nas-search --bench report

env: ## print this environment for a shell: eval "$(make env)"
	@$(foreach name,$(environment),printf 'export %s=%q\n' $(name) "$$$(name)";)

clean-cache: ## remove what was fetched and built from the cache
	rm -rf "$$NAS_CACHE"/{axe,helm3,kubernetes,kueue,libtorch,node,observability,programs,python,pytorch,schemas}[-.]* "$$NAS_CACHE"/{fuzz,mutants,target,tools,wheels}
