#!/usr/bin/env bash
# A kind cluster for the tests: one node for the control plane and two that work. None of its packets leaves this machine. To be run by
# enclosed.sh, which says whether it uses the engine that is there or starts one.
#
#   cluster.sh image           assembles the node image into NAS_CACHE, unless it is there, and prints where
#   cluster.sh up FOLDER       creates it; FOLDER/kubeconfig is for an administrator, FOLDER/shared is /shared on all its nodes
#   cluster.sh load FOLDER ARCHIVE...   loads images into it
#   cluster.sh docker FOLDER ARGUMENT...   docker, with the engine that the cluster is in
#   cluster.sh logs FOLDER TO  copies what the nodes have logged
#   cluster.sh down FOLDER     removes it, and the container engine that `up` started, whatever state they are in
#
# The node image is the public one where it can be pulled, else the one that node-image.sh assembles.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"

name=nas-test
cache=${NAS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nas-operator}
programs=${NAS_PROGRAMS:-$(../../scripts/programs.sh)}
version=$(sed -n 's|^\tk8s.io/kubernetes \(v[^ ]*\).*|\1|p' ../programs/go.mod)
PATH=$PATH:/usr/sbin:/sbin
say() { echo "kind: $*" >&2; }

# Points docker and kind to the engine that `up` started, if it did.
use_engine() {
  if [ -e "$1/engine.sock" ]; then export DOCKER_HOST=unix://$1/engine.sock; fi
}

not_run() {
  say "NOT RUN, because $*"
  exit 3
}

need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || not_run "$tool is missing: sudo apt-get install docker.io iproute2 iptables python3 mmdebstrap jq gcc containerd"
  done
  [ "$(uname -sm)" = "Linux x86_64" ] || not_run "this is $(uname -sm), and the images are for x86-64 Linux"
}

start_engine() {
  local folder=$1
  say "starting a container engine in $folder"
  cat >"$folder/engine.json" <<JSON
{"data-root": "$folder/engine", "exec-root": "$folder/engine-run", "pidfile": "$folder/engine.pid", "hosts": ["unix://$folder/engine.sock"],
 "bridge": "none", "ip6tables": false, "runtimes": {"runc-here": {"path": "$here/runc-here"}}, "default-runtime": "runc-here"}
JSON
  setsid dockerd --config-file "$folder/engine.json" >"$folder/engine.log" 2>&1 </dev/null &
  export DOCKER_HOST=unix://$folder/engine.sock
  for _ in $(seq 300); do
    if docker info >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  tail -20 "$folder/engine.log" >&2
  say "the engine does not answer"
  exit 1
}

# With an engine of this machine: every way out refuses what containers send, until `down`. An engine of our own has no way out.
close_gates() {
  local folder=$1 interface
  for interface in $(ip -o route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | sort -u); do
    if iptables -C DOCKER-USER -o "$interface" -j REJECT 2>/dev/null; then continue; fi
    iptables -I DOCKER-USER -o "$interface" -j REJECT ||
      not_run "only root can keep the cluster's packets on this machine (iptables)"
    echo "$interface" >>"$folder/gates"
  done
  say "no packet of a container leaves by $(iptables -S DOCKER-USER | sed -n 's/.*-o \([^ ]*\) .*REJECT.*/\1/p' | xargs)"
}

image() {
  local archive part
  archive=$cache/node-$(cat node-image.sh ../../deploy/image.py ../programs/go.sum | sha256sum | cut -c1-12).tar
  if [ ! -e "$archive" ]; then
    need python3 mmdebstrap jq gcc containerd
    mkdir -p "$cache"
    part=$(mktemp "$cache/node.XXXXXX.part")
    NAS_PROGRAMS=$programs ./node-image.sh "kindest/node:$version-nas" "$part" >&2
    mv "$part" "$archive"
  fi
  echo "$archive"
}

node_image() {
  local public=kindest/node:$version
  if [ "$NAS_ENCLOSED" = there ] && [ -z "${CI:-}" ] && docker pull --quiet "$public" >/dev/null 2>&1; then echo "$public"; return; fi
  docker load --quiet --input "$(image)" >/dev/null
  echo "kindest/node:$version-nas"
}

# Connects the nodes' pods: each node has its own range, and a route to those of the others. The network plug-in is configured only once
# kube-proxy serves the node: a pod's first packets to a service would otherwise be tracked as what they are not, and get lost for long.
connect() {
  local folder=$1 nodes node range address other range_other address_other
  for _ in $(seq 300); do
    nodes=$("$programs/kubectl" --kubeconfig "$folder/kubeconfig" get nodes \
      -o jsonpath='{range .items[*]}{.metadata.name} {.spec.podCIDR} {.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}')
    [ "$(grep -c '/.*\.' <<<"$nodes")" = 3 ] && break
    sleep 0.2
  done
  while read -r node range address; do
    for _ in $(seq 600); do
      docker exec "$node" timeout 2 bash -c '</dev/tcp/10.96.0.1/443' 2>/dev/null </dev/null && break
      sleep 0.2
    done
    while read -r other range_other address_other; do
      if [ "$other" != "$node" ]; then docker exec "$node" ip route replace "$range_other" via "$address_other" </dev/null; fi
    done <<<"$nodes"
    docker exec --interactive "$node" sh -c 'cat >/etc/cni/net.d/10-ptp.conflist' <<JSON
{"cniVersion": "0.3.1", "name": "ptp", "plugins": [{"type": "ptp", "ipMasq": false, "mtu": 1500, "ipam": {"type": "host-local",
 "dataDir": "/run/cni-ipam-state", "routes": [{"dst": "0.0.0.0/0"}], "ranges": [[{"subnet": "$range"}]]}}]}
JSON
  done <<<"$nodes"
}

up() {
  local folder=$1 tag mounts
  need docker ip iptables python3
  mkdir -p "$folder/shared"
  chmod 0777 "$folder/shared"
  if [ "$NAS_ENCLOSED" = own ]; then start_engine "$folder"; else close_gates "$folder"; fi
  tag=$(node_image)
  mounts="extraMounts: [{hostPath: $folder/shared, containerPath: /shared}]"
  cat >"$folder/kind.yaml" <<YAML
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking: {apiServerAddress: 127.0.0.1, disableDefaultCNI: true, podSubnet: 10.244.0.0/16}
nodes:
  - {role: control-plane, $mounts}
  - {role: worker, $mounts}
  - {role: worker, $mounts}
kubeadmConfigPatches:
  - |
    kind: KubeletConfiguration
    apiVersion: kubelet.config.k8s.io/v1beta1
    failCgroupV1: false
  - |
    kind: ClusterConfiguration
    apiVersion: kubeadm.k8s.io/v1beta4
    dns: {disabled: true}
YAML
  say "creating the cluster"
  "$programs/kind" create cluster --name "$name" --image "$tag" --config "$folder/kind.yaml" --kubeconfig "$folder/kubeconfig" >&2
  connect "$folder"
  "$programs/kubectl" --kubeconfig "$folder/kubeconfig" wait nodes --all --for=condition=Ready --timeout=120s >&2
}

load() {
  local archive
  use_engine "$1"
  for archive in "${@:2}"; do "$programs/kind" load image-archive "$archive" --name "$name" >&2; done
}

docker_there() {
  use_engine "$1"
  shift
  exec docker "$@"
}

logs() {
  use_engine "$1"
  "$programs/kind" export logs "$2" --name "$name" >&2
}

down() {
  local folder=$1 engine interface
  use_engine "$folder"
  if docker info >/dev/null 2>&1; then "$programs/kind" delete cluster --name "$name" >&2 || true; fi
  if [ -e "$folder/engine.pid" ]; then
    engine=$(cat "$folder/engine.pid")
    kill "$engine" 2>/dev/null || true
    for _ in $(seq 100); do kill -0 "$engine" 2>/dev/null || break; sleep 0.1; done
    kill -KILL "$engine" 2>/dev/null || true
    umount --recursive --lazy "$folder"/engine/* "$folder"/engine-run/* 2>/dev/null || true
  fi
  # The containers that the gates were for are gone; others of the same engine may go out again.
  if [ -e "$folder/gates" ]; then
    while read -r interface; do iptables -D DOCKER-USER -o "$interface" -j REJECT || true; done <"$folder/gates"
  fi
  rm -rf "$folder"
}

case ${1:-} in
image | up | load | logs | down) "$@" ;;
docker) docker_there "${@:2}" ;;
*) sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 64 ;;
esac
