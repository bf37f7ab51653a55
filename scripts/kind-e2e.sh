#!/usr/bin/env bash
# The whole, on a real kind cluster: the chart is installed, a constrained adaptive experiment is applied, its pods request an accelerator
# and run the real trainer, the operator and a trainer are killed on the way, and the trials equal those of `nasctl run` to the last bit.
# What is published on the way (metrics, status, records) is held against what came out.
#
#   scripts/kind-e2e.sh      exit 3: not run, since there is no container engine
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=$(mktemp -d /tmp/nas-kind.XXXXXX)
trap 'testkit/kind/cluster.sh down "$folder"' EXIT
export KUBECONFIG=$folder/kubeconfig
kubectl=$NAS_PROGRAMS/kubectl
node=nas-test-control-plane
say() { echo "e2e: $*"; }
fail() { echo "e2e: FAILED: $*" >&2; diagnose >&2; exit 1; }
diagnose() {
  "$kubectl" get nasexperiments,nastrials,jobs,pods -A || true
  "$kubectl" get nasexperiment small -o jsonpath='{.status.conditions}' || true
  "$kubectl" -n nas-system logs deployment/nas-operator --tail 40 || true
}
# Waits until a command succeeds; for $1 seconds at most.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || fail "waited in vain: $*"
    sleep 0.2
  done
}
recorded() { [ "$("$kubectl" get nastrials -o json | jq '[.items[].status.rungs // [] | length] | add // 0')" -ge "$1" ]; }
operator_ready() { [ "$("$kubectl" -n nas-system get deployment nas-operator -o jsonpath='{.status.readyReplicas}')" = 1 ]; }

testkit/kind/cluster.sh up "$folder"
engine=()
if [ -e "$folder/engine.sock" ]; then engine=(--host "unix://$folder/engine.sock"); fi

say "no packet leaves: the node cannot reach a host beyond this machine, and it was the gate that refused"
refused() { iptables -nvxL DOCKER-USER | awk '/REJECT/ { sum += $1 } END { print sum + 0 }'; }
before=$(refused)
if docker "${engine[@]}" exec "$node" timeout 5 bash -c '</dev/tcp/1.1.1.1/443' 2>/dev/null; then fail "the node reached 1.1.1.1"; fi
[ "$(refused)" -gt "$before" ] || fail "something else than the gate held the packet back"

say "images without a registry"
deploy/assemble-images.sh "$folder/images"
testkit/kind/cluster.sh load "$folder" "$folder"/images/*.tar
mkdir -p "$folder/shared/data" "$folder/shared/checkpoints"
chmod 0777 "$folder/shared/checkpoints"
cp -r data/fashion-mnist "$folder/shared/data/"

say "installing the chart"
"$NAS_PROGRAMS/helm" install nas-operator charts/nas-operator --namespace nas-system --create-namespace --wait --timeout 120s \
  --set image.tag=test,trainer.image=ghcr.io/nas-operator/nas-trainer:test,leaseSeconds=5 \
  --set 'trainer.reporting.enabled=true,trainer.reporting.namespaces={default}' >/dev/null
"$kubectl" apply -f testkit/kind/claims.yaml
"$kubectl" apply -f testkit/kind/experiment.yaml

say "no node advertises the accelerator yet: the Job is there, and its reason is told"
until_true 60 "$kubectl" wait nasexperiment small --for=jsonpath='{.status.conditions[?(@.type=="Progressing")].reason}'=Unschedulable --timeout=1s
"$kubectl" patch node "$node" --subresource=status --type=json \
  -p '[{"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": "1"}]' >/dev/null

say "killing the operator twice, and a trainer in between"
until_true 120 recorded 1
"$kubectl" -n nas-system delete pod -l app.kubernetes.io/name=nas-operator --grace-period=0 --force 2>/dev/null
until_true 60 operator_ready
until_true 120 docker "${engine[@]}" exec "$node" pkill -KILL -f '^/usr/local/bin/nas-trainer'
say "killed a trainer in the middle"
until_true 120 recorded 4
"$kubectl" -n nas-system delete pod -l app.kubernetes.io/name=nas-operator --grace-period=0 --force 2>/dev/null
"$kubectl" wait nasexperiment small --for=condition=Finished --timeout=300s || fail "the search did not finish"
"$kubectl" wait nasexperiment small --for=condition=Succeeded --timeout=1s || fail "the search did not succeed"
"$kubectl" get nasexperiments,nastrials

say "the operator's metric of the best value equals the status"
until_true 60 operator_ready
best=$("$kubectl" get nasexperiment small -o jsonpath='{.status.best[0].value}')
until_true 60 sh -c "'$kubectl' get --raw /api/v1/namespaces/nas-system/services/nas-operator:8080/proxy/metrics | grep -q '^nas_experiment_best_value.* $best\$'"

say "the same experiment on this machine: the same decisions, the same values"
"$kubectl" get nastrials -o json >"$folder/cluster.json"
bin/nasctl run testkit/kind/experiment.yaml --threads 1 --dir "$folder/laptop" >/dev/null
bin/nasctl describe "$folder/laptop" --output json >"$folder/laptop.json"
testkit/kind/compare.py "$folder/cluster.json" "$folder/laptop.json"

say "only the best two keep their checkpoints; learning curves stay"
jobs_gone() { [ -z "$("$kubectl" get jobs -o name)" ]; }
cleaned() { "$kubectl" get nastrials -o json | jq -r '.items[] | select(.status.conditions // [] | any(.type == "CheckpointsRemoved" and .status == "True")) | .metadata.name'; }
trials=$(jq '.items | length' "$folder/cluster.json")
all_cleaned() { [ "$(cleaned | wc -l)" = $((trials - 2)) ]; }
until_true 120 all_cleaned
until_true 30 jobs_gone
for trial in $(cleaned); do
  [ -z "$(find "$folder"/shared/checkpoints/*/"$trial" -type f ! -name curve.jsonl)" ] || fail "$trial still has checkpoints"
done
kept=$(find "$folder"/shared/checkpoints/*/small-* -name '*.safetensors' -printf '%h\n' | xargs -r -n1 dirname | sort -u | wc -l)
[ "$kept" = 2 ] || fail "$kept trials have checkpoints"

say "the records of both are what is decided on them"
bin/nasctl describe nasexp/small
bin/nasctl replay nasexp/small
bin/nasctl replay "$folder/laptop"

say "pods went on from the checkpoints of the rung below"
values=$(jq '[.items[].status.rungs | length] | add' "$folder/cluster.json")
measured=$(cat "$folder"/shared/checkpoints/*/small-*/*/curve.jsonl | wc -l)
# Once for each rung. Only the trainer that was killed may have measured one and not have committed it.
[ "$measured" = "$values" ] || [ "$measured" = $((values + 1)) ] || fail "$values values were measured $measured times"

say "a long segment: what its pod's /metrics show is what its report carries, and it reports on the way"
"$kubectl" apply -f testkit/kind/long.yaml
watch_long() {
  local pod
  pod=$("$kubectl" get pods -l nas-operator.dev/experiment=long --field-selector=status.phase=Running -o name | sed -n '1s/pod.//p')
  if [ -n "$pod" ]; then
    "$kubectl" get nastrial long-0 -o json | jq 'select((.status.rungs // []) == []) | .status.reported.curve[]?' >>"$folder/curves"
    "$kubectl" get --raw "/api/v1/namespaces/default/pods/$pod:9464/proxy/metrics" | sed -n 's/^nas_trainer_accuracy //p' >>"$folder/seen"
  fi
  "$kubectl" wait nasexperiment long --for=condition=Succeeded --timeout=0s
}
until_true 180 watch_long
"$kubectl" get nastrial long-0 -o json >"$folder/long.json"
testkit/kind/observed.py "$folder/seen" "$folder/long.json" || fail "the report differs from what was seen"
[ -s "$folder/curves" ] || fail "no learning curve was seen while the trial trained"
"$kubectl" get nastrial long-0 -o json --show-managed-fields | jq -e '.metadata.managedFields | any(.manager == "nas-trainer")' >/dev/null ||
  fail "the trainer has not written its report"

say "uninstalling keeps the experiment"
"$NAS_PROGRAMS/helm" uninstall nas-operator --namespace nas-system --wait >/dev/null
"$kubectl" get nasexperiment small >/dev/null || fail "the experiment is gone"
say "ok"
