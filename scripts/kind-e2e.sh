#!/usr/bin/env bash
# The whole, on a real kind cluster under the Pod Security Standard `restricted`: the chart is installed, a constrained adaptive experiment is applied,
# its pods request an accelerator and run the real trainer on two nodes, a trainer and the operator are killed and the chart is upgraded on the way, and
# the trials equal those of `nasctl run` to the last bit. What is published on the way (metrics, status, records) is held against what came out.
#
#   scripts/kind-e2e.sh      after `make build`; exit 3: not run, since there is no container engine. A failure names the folder of all logs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. testkit/kind/e2e.sh

cluster
step "helm install, helm test"
chart install
"$helm" test nas-operator --namespace nas-system --timeout 60s >"$record/helm-test.txt" || fail "helm test: see $record/helm-test.txt"

step "no node advertises the accelerator yet: the Job is there, and its reason is told"
"$kubectl" apply -f testkit/kind/experiment.yaml
until_true 60 "$kubectl" wait nasexperiment small --for=jsonpath='{.status.conditions[?(@.type=="Progressing")].reason}'=Unschedulable --timeout=1s
accelerators 1

until_true 120 recorded 1
until_true 120 kill_a_trainer
step "a trainer was killed in the middle"
until_true 120 recorded 3
kill_operator
step "the operator was killed"
until_true 120 recorded 5
chart upgrade --set image.tag=next
step "the chart was upgraded"
finished small 300

step "the operator's metric of the best value equals the status"
best=$("$kubectl" get nasexperiment small -o jsonpath='{.status.best[0].value}')
until_true 60 sh -c "'$kubectl' get --raw /api/v1/namespaces/nas-system/services/nas-operator:8080/proxy/metrics | grep -q '^nas_experiment_best_value.* $best\$'"

step "the same experiment on this machine: the same decisions, the same values"
"$kubectl" get nastrials -o json >"$folder/cluster.json"
bin/nasctl run testkit/kind/experiment.yaml --threads 1 --dir "$folder/laptop" >/dev/null
bin/nasctl describe "$folder/laptop" --output json >"$folder/laptop.json"
testkit/kind/compare.py "$folder/cluster.json" "$folder/laptop.json"

step "only the best two keep their checkpoints; learning curves stay"
jobs_gone() { [ -z "$("$kubectl" get jobs -o name)" ]; }
cleaned() { "$kubectl" get nastrials -o json | jq -r '.items[] | select(.status.conditions // [] | any(.type == "CheckpointsRemoved" and .status == "True")) | .metadata.name'; }
trials=$(jq '.items | length' "$folder/cluster.json")
all_cleaned() { [ "$(cleaned | wc -l)" = $((trials - 2)) ]; }
until_true 120 all_cleaned
until_true 30 jobs_gone
for trial in $(cleaned); do
  [ -z "$(find "$folder"/shared/checkpoints/*/"$trial" -type f ! -name curve.jsonl)" ] || fail "$trial still has checkpoints"
done
kept() { find "$folder"/shared/checkpoints/*/small-* -name '*.safetensors' -printf '%h\n' | xargs -r -n1 dirname | sort -u | wc -l; }
[ "$(kept)" = 2 ] || fail "$(kept) trials have checkpoints"

step "the records of both are what is decided on them"
bin/nasctl describe nasexp/small --namespace search
bin/nasctl replay nasexp/small --namespace search
bin/nasctl replay "$folder/laptop"

step "pods went on from the checkpoints of the rung below"
values=$(jq '[.items[].status.rungs | length] | add' "$folder/cluster.json")
measured=$(cat "$folder"/shared/checkpoints/*/small-*/*/curve.jsonl | wc -l)
# Once for each rung. Only the trainer that was killed may have measured one and not have committed it.
[ "$measured" = "$values" ] || [ "$measured" = $((values + 1)) ] || fail "$values values were measured $measured times"

step "a long segment: what its pod's /metrics show is what its report carries, and it reports on the way"
"$kubectl" apply -f testkit/kind/long.yaml
watch_long() {
  local pod
  pod=$("$kubectl" get pods -l nas-operator.dev/experiment=long --field-selector=status.phase=Running -o name | sed -n '1s/pod.//p')
  if [ -n "$pod" ]; then
    "$kubectl" get nastrial long-0 -o json | jq 'select((.status.rungs // []) == []) | .status.reported.curve[]?' >>"$folder/curves"
    "$kubectl" get --raw "/api/v1/namespaces/search/pods/$pod:9464/proxy/metrics" | sed -n 's/^nas_trainer_accuracy //p' >>"$folder/seen"
  fi
  "$kubectl" wait nasexperiment long --for=condition=Succeeded --timeout=0s
}
until_true 180 watch_long
"$kubectl" get nastrial long-0 -o json >"$folder/long.json"
testkit/kind/observed.py "$folder/seen" "$folder/long.json" || fail "the report differs from what was seen"
[ -s "$folder/curves" ] || fail "no learning curve was seen while the trial trained"
"$kubectl" get nastrial long-0 -o json --show-managed-fields | jq -e '.metadata.managedFields | any(.manager == "nas-trainer")' >/dev/null ||
  fail "the trainer has not written its report"

step "helm uninstall keeps what was found"
"$helm" uninstall nas-operator --namespace nas-system --wait >/dev/null
# The pod goes a moment after its Deployment.
nothing_is_left() { [ -z "$("$kubectl" -n nas-system get deployments,services,pods -o name)" ]; }
until_true 60 nothing_is_left
"$kubectl" get nastrials -o json >"$folder/after.json"
jq -S '[.items[] | select(.spec.experiment == "small")]' "$folder/after.json" >"$folder/after"
[ "$(jq -S 'map({name: .metadata.name, spec, rungs: .status.rungs})' "$folder/after")" = "$(jq -S '.items | map({name: .metadata.name, spec, rungs: .status.rungs})' "$folder/cluster.json")" ] ||
  fail "the trials have changed"
"$kubectl" get nasexperiment small >/dev/null || fail "the experiment is gone"
[ "$(kept)" = 2 ] || fail "checkpoints are gone"
step "down, and nothing may be left"
