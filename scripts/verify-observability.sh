#!/usr/bin/env bash
# A real Prometheus scrapes an operator, which works on a real control plane, and a trainer that trains: every panel of the dashboard and every
# alert must find what it asks for. The alerts' own unit tests come first. Two minutes on two cores, and as much once to build Prometheus.
#
#   NAS_CACHE=... scripts/verify-observability.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools=$(scripts/go-tools.sh observability)
"$tools/promtool" check rules --lint=all --lint-fatal charts/nas-operator/files/monitoring/alerts.yaml
"$tools/promtool" test rules testkit/observability/alerts_test.yaml

work=$(mktemp -d)
trainer=
trap 'if [ -n "$trainer" ]; then kill "$trainer" 2>/dev/null || true; wait "$trainer" || true; fi; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# A trainer as a pod would start it, with far to go; its metrics are all there once it has evaluated, which it does after each epoch.
mkdir "$work/checkpoints"
: >"$work/trainer.log"
env NAS_CONTRACT=1 NAS_EXPERIMENT=small NAS_TRIAL_NAME=small-0 NAS_TRIAL_UID=1 NAS_ATTEMPT=0 NAS_SEED=1 NAS_METRIC=accuracy \
  NAS_TARGET_RUNG=0 NAS_TARGET_STEP=1000 NAS_MAX_STEP=1000 NAS_RUNG_STEPS=1000 NAS_STEP_UNIT=epochs NAS_EVALUATE_EVERY=1 NAS_CHECKPOINT_EVERY=2 \
  NAS_CHECKPOINT_DIR="$work/checkpoints" NAS_DATA_DIR=data NAS_DATA_NAME=fashion-mnist NAS_THREADS=1 NAS_TERMINATION_LOG="$work/report" \
  NAS_METRICS_LISTEN=127.0.0.1:0 NAS_PARAMETERS="$(cat testkit/observability/parameters.json)" \
  bin/nas-trainer >"$work/trainer.log" 2>&1 &
trainer=$!
address() { sed -n 's|^metrics on http://\(.*\)/metrics$|\1|p' "$work/trainer.log"; }
until [ -n "$(address)" ] && curl --silent --fail "http://$(address)/metrics" | grep -q '^nas_trainer_accuracy 0\.[0-9]*[1-9]'; do
  kill -0 "$trainer" 2>/dev/null || { echo "the trainer has ended:" >&2; cat "$work/trainer.log" >&2; exit 1; }
  sleep 0.2
done

NAS_TRAINER_METRICS=$(address) cargo test --release ${CI:+--locked} --workspace --test chart -- --ignored --nocapture observed::
