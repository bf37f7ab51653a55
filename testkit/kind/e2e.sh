# To be sourced by the scripts that test the whole on a kind cluster (scripts/kind-e2e.sh, scripts/verify-cluster.sh), in the checkout's root.
# Goes where nothing of the cluster gets out or stays (enclosed.sh), and has what both need.
# shellcheck shell=bash

if [ -z "${NAS_ENCLOSED:-}" ]; then exec testkit/kind/enclosed.sh "scripts/$(basename "$0")"; fi

began=$SECONDS
record=$PWD/runs/$(basename "$0" .sh)
folder=$(mktemp -d /tmp/nas-kind.XXXXXX)
export KUBECONFIG=$folder/kubeconfig
kubectl=$NAS_PROGRAMS/kubectl
helm=$NAS_PROGRAMS/helm
control=nas-test-control-plane
workers=(nas-test-worker nas-test-worker2)
recorder=

step() { printf 'e2e: %4d s  %s\n' $((SECONDS - began)) "$*"; }
fail() { printf 'e2e: %4d s  FAILED: %s\n' $((SECONDS - began)) "$*" >&2; exit 1; }
docker_there() { testkit/kind/cluster.sh docker "$folder" "$@"; }

# Waits until a command succeeds; for $1 seconds at most.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || fail "waited in vain: $*"
    sleep 0.2
  done
}

# At the end, whatever it is: what is needed to understand a failure is kept in runs/, and the cluster goes.
finish() {
  local status=$?
  trap - EXIT INT TERM
  set +e
  if [ $status -ne 0 ] && [ $status -ne 3 ] && [ -e "$KUBECONFIG" ]; then
    mkdir -p "$record"
    "$kubectl" get nodes,pods,jobs,nasexperiments,nastrials -A -o wide
    "$kubectl" get nodes,namespaces,pods,jobs,deployments,leases,persistentvolumeclaims,nasexperiments,nastrials -A -o yaml >"$record/objects.yaml" 2>&1
    "$kubectl" describe nodes,pods,jobs,nasexperiments -A >"$record/described.txt" 2>&1
    timeout 120 testkit/kind/cluster.sh logs "$folder" "$record/nodes" >/dev/null 2>&1
    cp "$folder/engine.log" "$record/" 2>/dev/null
  fi
  if [ -n "$recorder" ]; then kill "$recorder" 2>/dev/null; wait "$recorder" 2>/dev/null; fi
  testkit/kind/cluster.sh down "$folder" || status=1
  if left=$(left_behind); [ -n "$left" ]; then printf 'e2e: left behind:\n%s\n' "$left" >&2; status=1; fi
  case $status in
  0) step "ok" ;;
  3) ;;
  *) step "FAILED (exit $status): objects, events, and the logs of all pods and nodes are in $record" >&2 ;;
  esac
  exit $status
}

# What `down` should have ended and removed.
left_behind() {
  if [ "$NAS_ENCLOSED" = own ]; then
    # All processes here are this script's and the cluster's.
    ps -e -o pid=,args= | grep -vE "^ *1 |ps -e -o|grep -v|$(basename "$0")|<defunct>" || true
    grep " $folder" /proc/self/mounts || true
  else
    docker ps --all --quiet --filter label=io.x-k8s.kind.cluster=nas-test
  fi
  if [ -e "$folder" ]; then echo "$folder"; fi
}

refused() { iptables -nvxL DOCKER-USER | awk '/REJECT/ { sum += $1 } END { print sum + 0 }'; }

# A cluster whose namespaces nas-system and search admit only what the Pod Security Standard `restricted` does, with the images in it.
cluster() {
  local namespace node before
  rm -rf "$record"
  mkdir -p "$record"
  step "a kind cluster: one node for the control plane, two that work"
  testkit/kind/cluster.sh up "$folder"
  testkit/kind/record.py "$kubectl" "$record" &
  recorder=$!

  step "no packet leaves this machine"
  if [ "$NAS_ENCLOSED" = own ] && ip route show default | grep .; then fail "there is a way out of the cluster's network"; fi
  before=$(refused)
  for node in "$control" "${workers[@]}"; do
    if docker_there exec "$node" timeout 5 bash -c '</dev/tcp/1.1.1.1/443' 2>/dev/null; then fail "$node reached 1.1.1.1"; fi
  done
  [ "$NAS_ENCLOSED" = own ] || [ "$(refused)" -gt "$before" ] || fail "something else than the gate held the packets back"

  step "images without a registry"
  deploy/assemble-images.sh "$folder/images" | tee "$record/images.txt"
  testkit/kind/cluster.sh load "$folder" "$folder"/images/*.tar
  # The same once more under another name: what the chart is upgraded to.
  for node in "$control" "${workers[@]}"; do
    docker_there exec "$node" ctr -n k8s.io images tag ghcr.io/nas-operator/nas-operator:{test,next} >/dev/null
  done
  mkdir -p "$folder/shared/data" "$folder/shared/checkpoints"
  chmod 0777 "$folder/shared/checkpoints"
  cp -r data/fashion-mnist "$folder/shared/data/"

  step "namespaces under the Pod Security Standard restricted"
  for namespace in nas-system search; do
    "$kubectl" create namespace "$namespace" >/dev/null
    "$kubectl" label namespace "$namespace" pod-security.kubernetes.io/{enforce,warn,audit}=restricted >/dev/null
    until_true 30 "$kubectl" -n "$namespace" get serviceaccount default
    if "$kubectl" -n "$namespace" run loose --image=ghcr.io/nas-operator/nas-trainer:test 2>/dev/null; then fail "$namespace admits any pod"; fi
  done
  "$kubectl" config set-context --current --namespace=search >/dev/null
  "$kubectl" apply -f testkit/kind/claims.yaml >/dev/null
}

# Installs the chart, or upgrades it: chart install|upgrade [OPTION]...
chart() {
  "$helm" "$1" nas-operator charts/nas-operator --namespace nas-system --wait --timeout 120s \
    --set image.tag=test,trainer.image=ghcr.io/nas-operator/nas-trainer:test,leaseSeconds=5 \
    --set 'trainer.reporting.enabled=true,trainer.reporting.namespaces={search}' "${@:2}" >"$record/helm-$1.txt"
  if grep -i warning "$record/helm-$1.txt"; then fail "helm $1 warns: see above"; fi
}

# Gives each working node $1 of what the experiments ask for; the kubelet takes it over.
accelerators() {
  local node
  for node in "${workers[@]}"; do
    "$kubectl" patch node "$node" --subresource=status --type=json \
      -p "[{\"op\": \"add\", \"path\": \"/status/capacity/nvidia.com~1gpu\", \"value\": \"$1\"}]" >/dev/null
  done
}

recorded() { [ "$("$kubectl" get nastrials -o json | jq '[.items[].status.rungs // [] | length] | add // 0')" -ge "$1" ]; }
operator_ready() { [ "$("$kubectl" -n nas-system get deployment nas-operator -o jsonpath='{.status.readyReplicas}')" = 1 ]; }
kill_operator() {
  "$kubectl" -n nas-system delete pod -l app.kubernetes.io/name=nas-operator --grace-period=0 --force >/dev/null 2>&1
  until_true 60 operator_ready
}
kill_a_trainer() {
  local node
  for node in "${workers[@]}"; do
    if docker_there exec "$node" pkill -KILL -f '^/usr/local/bin/nas-trainer'; then echo "$node"; return; fi
  done
  return 1
}
finished() {
  "$kubectl" wait nasexperiment "$1" --for=condition=Finished --timeout="$2s" >/dev/null || fail "$1 did not finish"
  "$kubectl" wait nasexperiment "$1" --for=condition=Succeeded --timeout=1s >/dev/null || fail "$1 did not succeed"
  "$kubectl" get nasexperiments,nastrials
}

trap finish EXIT
trap 'exit 130' INT TERM
