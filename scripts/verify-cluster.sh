#!/usr/bin/env bash
# The search of the quickstart on a real kind cluster in bad weather: trainers and the operator are killed again and again, the chart is upgraded and
# rolled back, a node is drained, a node is cut off from the network while it trains and comes back. What the trials measured must be what `nasctl run`
# measures, and the records what is decided on them. Writes docs/results/cluster.md. About eleven minutes on two cores.
#
#   scripts/verify-cluster.sh      after `make build`; exit 3: not run, since there is no container engine
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. testkit/kind/e2e.sh

commit=$(git describe --always --dirty 2>/dev/null || echo unknown)
done_list=$folder/done
# One line of the page: what was done, and what came of it.
tell() { step "$1: $2"; printf '| %s | %s |\n' "$1" "$2" >>"$done_list"; }
now() { date +%s.%N; }
since() { python3 -c "import sys; print(f'{float(sys.argv[2]) - float(sys.argv[1]):.1f} s')" "$1" "$(now)"; }
trials() { "$kubectl" get nastrials -o json; }
# The pod of a trial that trains on a node, as "pod trial", where there is one.
training_on() {
  "$kubectl" get pods -l app.kubernetes.io/name=nas-trial --field-selector="status.phase=Running,spec.nodeName=$1" \
    -o jsonpath='{range .items[*]}{.metadata.name} {.metadata.labels.nas-operator\.dev/trial}{"\n"}{end}' | sed -n 1p
}
trains_on() { [ -n "$(training_on "$1")" ]; }

cluster
mkdir -p "$(dirname "$done_list")"
# On the node that stays, as docs/spot.md advises. A pod that should be gone is given up after twenty seconds instead of five minutes.
settings=(--set stuckSeconds=20 --set "nodeSelector.kubernetes\.io/hostname=$control" --set 'tolerations[0].key=node-role.kubernetes.io/control-plane')
chart install "${settings[@]}"
"$helm" test nas-operator --namespace nas-system --timeout 60s >"$record/helm-test.txt" || fail "helm test: see $record/helm-test.txt"
tell "\`helm install\`, \`helm test\` in a namespace under \`restricted\`" "every right is there"
accelerators 2

"$kubectl" create --dry-run=client -o json -f configs/quickstart.yaml |
  jq '.spec.trial += {cpu: 1, memory: "1Gi", accelerator: {resource: "nvidia.com/gpu", count: 1}, checkpoints: {claim: "checkpoints"}} | .spec.trial.data.claim = "datasets"' >"$folder/quickstart.json"
"$kubectl" apply -f "$folder/quickstart.json"

killed=0
for seen in 2 4 6; do
  until_true 300 recorded "$seen"
  until_true 120 kill_a_trainer
  kill_operator
  killed=$((killed + 1))
done
tell "a trainer and the operator killed (SIGKILL), $killed times each" "the search goes on"

until_true 300 recorded 9
chart upgrade "${settings[@]}" --set image.tag=next
"$helm" rollback nas-operator 1 --namespace nas-system --wait --timeout 120s >/dev/null
image=$("$kubectl" -n nas-system get pods -l app.kubernetes.io/name=nas-operator -o jsonpath='{.items[*].spec.containers[*].image}')
[[ $image == *:test ]] || fail "after the rollback these run: $image"
tell "\`helm upgrade\` to another image, then \`helm rollback\`" "the search goes on, Jobs are adopted"

# A drain that comes between two segments shows nothing: until one has met a trainer.
node=${workers[0]}
for attempt in 1 2 3 4 5; do
  until_true 120 trains_on "$node"
  read -r pod trial <<<"$(training_on "$node")"
  start=$(now)
  "$kubectl" drain "$node" --ignore-daemonsets --delete-emptydir-data --timeout=120s >"$record/drain.txt" 2>&1
  drained=$(since "$start")
  if grep -qs 'stopped after a checkpoint' "$record/logs/search/$pod".*.log; then break; fi
  [ "$attempt" != 5 ] || fail "five drains, and none met a trainer at work"
  "$kubectl" uncordon "$node" >/dev/null
done
again() { trials | jq -e --arg trial "$trial" --argjson before "$before" '.items[] | select(.metadata.name == $trial) | .status.rungs | length > $before' >/dev/null; }
before=$(trials | jq --arg trial "$trial" '.items[] | select(.metadata.name == $trial) | .status.rungs // [] | length')
until_true 120 again
attempts=$(trials | jq --arg trial "$trial" '.items[] | select(.metadata.name == $trial) | .spec.attempt')
crashed=$(trials | jq --arg trial "$trial" '[.items[] | select(.metadata.name == $trial) | .status.segments[] | select(.outcome == "Lost")] | length')
[ "$crashed" = 0 ] || fail "the drain was taken for a lost node"
"$kubectl" uncordon "$node" >/dev/null
tell "\`kubectl drain\` of a node on which $trial trained" "its trainer wrote a checkpoint and ended; the node was empty after $drained; it went on on the other node, $(since "$start") after the drain began its rung was recorded (attempt $attempts)"

# The node's machine goes on, and the trainer on it; nobody hears of it.
node=${workers[1]}
gate() { for chain in INPUT OUTPUT FORWARD; do for way in -i -o; do
  case $chain$way in INPUT-o | OUTPUT-i) continue ;; esac
  docker_there exec "$node" iptables "$1" "$chain" "$way" eth0 -j DROP
done; done; }
until_true 120 trains_on "$node"
read -r pod trial <<<"$(training_on "$node")"
attempt=$(trials | jq --arg trial "$trial" '.items[] | select(.metadata.name == $trial) | .spec.attempt')
start=$(now)
gate -I
step "$node is cut off, with $trial on it"
lost() { trials | jq -e --arg trial "$trial" '.items[] | select(.metadata.name == $trial) | .status.segments // [] | any(.outcome == "Lost")' >/dev/null; }
until_true 300 lost
fenced=$(since "$start")
further() { trials | jq -e --arg trial "$trial" --argjson attempt "$attempt" '.items[] | select(.metadata.name == $trial) | .spec.attempt > $attempt and ([.status.segments[] | select(.outcome == "Value" and .attempt > $attempt)] | length > 0)' >/dev/null; }
until_true 120 further
on=$(jq -r --arg trial "$trial" --arg pod "$pod" 'select(.object.metadata.labels["nas-operator.dev/trial"] == $trial and .object.metadata.name != $pod) | .object.spec.nodeName // empty' "$record/pods.jsonl" | tail -1)
tell "a node cut off from the network while $trial trained on it" "given up $fenced later (50 s until Kubernetes calls the node lost, 30 s until it marks its pods for deletion, the 110 s that a trainer has to stop, \`stuckSeconds\`: 20); the next attempt ran on $on, and the rung was recorded $(since "$start") after the cut. The other trials went on meanwhile"
gate -D
"$kubectl" wait node "$node" --for=condition=Ready --timeout=120s >/dev/null
pod_gone() { ! "$kubectl" get pod "$pod" -o name; }
until_true 120 pod_gone
tell "the node comes back" "its old pod goes, and what it reports is void. What it had written to the volume counts: the next attempt went on from its last checkpoint"

finished quickstart 900
"$kubectl" get nasexperiment quickstart -o json | jq -e '(.status.trials.failed // 0) == 0' >/dev/null || fail "trials have failed"
step "what was measured is what this machine measures"
trials >"$folder/cluster.json"
bin/nasctl run configs/quickstart.yaml --threads 1 --dir "$folder/laptop" >/dev/null
bin/nasctl describe "$folder/laptop" --output json >"$folder/laptop.json"
same=$(testkit/kind/same.py "$folder/cluster.json" "$folder/laptop.json") || fail "$same"
replayed=$(bin/nasctl replay nasexp/quickstart --namespace search) || fail "$replayed"
tell "the search ended" "$same; \`nasctl replay\`: $(tail -1 <<<"$replayed")"

"$helm" uninstall nas-operator --namespace nas-system --wait >/dev/null
chart install "${settings[@]}"
settled() { "$kubectl" wait nasexperiment quickstart --for=condition=Finished --timeout=1s; }
settled >/dev/null || fail "the search is gone"
tell "\`helm uninstall\`, \`helm install\`" "experiments, trials and checkpoints are there"

mkdir -p docs/results
cat >docs/results/cluster.md <<PAGE
# On a real cluster

Made by \`make verify-cluster\` at commit $commit on $(date -u +%F), in $((SECONDS - began)) s: kind with Kubernetes $("$kubectl" version -o json | jq -r .serverVersion.gitVersion), a node for the control plane and two that work, all on $(nproc) cores of this machine
($(sed -n 's/^model name\s*: //p' /proc/cpuinfo | sed -n 1p)); both namespaces enforce the Pod Security Standard \`restricted\`. The search is that of [the quickstart](../../configs/quickstart.yaml), with CPU trainers and a pretended accelerator.

| what was done | what came of it |
|---|---|
$(cat "$done_list")

## How long a trial's pod takes to start

Images, as they are on the node (no registry compresses them):

$(sed 's/^ghcr.io.nas-operator.\([^:]*\):[^ ]* /- \1: /' "$record/images.txt")

They were on the nodes already. With the volumes of this test, which are folders of the machine, while two trainers share its cores with three kubelets and the control plane:

$(testkit/kind/times.py "$record")

A trainer has read its data and its checkpoint when its first step begins. Pulling the image, a network's volume and a GPU's libraries come on top.
PAGE
cat docs/results/cluster.md
step "down, and nothing may be left"
