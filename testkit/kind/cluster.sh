#!/usr/bin/env bash
# A kind cluster for the tests, none of whose packets leaves this machine.
#
#   cluster.sh up FOLDER       creates it; FOLDER/kubeconfig is for an administrator, FOLDER/shared is /shared on its node
#   cluster.sh load FOLDER ARCHIVE...   loads images into it
#   cluster.sh down FOLDER     removes it, and the container engine that `up` started, whatever state they are in
#
# Uses the engine that is there (`docker info`). As root in CI (or with NAS_ENGINE=own) it starts one where there is none. The node image
# is the public one where it can be pulled, else the one that node-image.sh assembles; that one is kept in NAS_CACHE.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here"

name=nas-test
cache=${NAS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nas-operator}
programs=${NAS_PROGRAMS:-$(../../scripts/programs.sh)}
version=$(cd ../programs && go list -m -f '{{.Version}}' k8s.io/kubernetes)
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

need_tools() {
  local tool
  for tool in docker ip iptables python3; do
    command -v "$tool" >/dev/null || not_run "$tool is missing: sudo apt-get install docker.io iproute2 iptables python3"
  done
  [ "$(uname -sm)" = "Linux x86_64" ] || not_run "this is $(uname -sm), and the images are for x86-64 Linux"
}

start_engine() {
  local folder=$1
  if docker info >/dev/null 2>&1; then say "using the engine that is there"; return; fi
  if [ "$(id -u)" != 0 ] || { [ -z "${CI:-}" ] && [ "${NAS_ENGINE:-}" != own ]; }; then
    not_run "no container engine answers ('docker info'): start one, or run as root with NAS_ENGINE=own"
  fi
  say "starting a container engine in $folder"
  cat >"$folder/engine.json" <<JSON
{"data-root": "$folder/engine", "exec-root": "$folder/engine-run", "pidfile": "$folder/engine.pid", "hosts": ["unix://$folder/engine.sock"],
 "bridge": "none", "ip6tables": false, "runtimes": {"runc-here": {"path": "$here/runc-here"}}, "default-runtime": "runc-here"}
JSON
  setsid dockerd --config-file "$folder/engine.json" >"$folder/engine.log" 2>&1 </dev/null &
  use_engine_when_ready "$folder"
}

use_engine_when_ready() {
  local folder=$1
  export DOCKER_HOST=unix://$folder/engine.sock
  for _ in $(seq 300); do
    if docker info >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  tail -20 "$folder/engine.log" >&2
  say "the engine does not answer"
  exit 1
}

# Nothing that a container sends may leave: every way out of this machine refuses what was forwarded, until `down`.
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

node_image() {
  local public=kindest/node:$version own archive tool
  if [ -z "${CI:-}" ] && docker pull --quiet "$public" >/dev/null 2>&1; then echo "$public"; return; fi
  own=kindest/node:$version-nas
  archive=$cache/node-$(cat node-image.sh ../../deploy/image.py ../programs/go.sum | sha256sum | cut -c1-12).tar
  if [ ! -e "$archive" ]; then
    for tool in mmdebstrap jq gcc containerd; do
      command -v "$tool" >/dev/null || not_run "$tool is missing, with which the node image is assembled: sudo apt-get install $tool"
    done
    mkdir -p "$cache"
    NAS_PROGRAMS=$programs ./node-image.sh "$own" "$archive.part" >&2
    mv "$archive.part" "$archive"
  fi
  docker load --quiet --input "$archive" >/dev/null
  echo "$own"
}

up() {
  local folder=$1 image
  need_tools
  mkdir -p "$folder/shared"
  chmod 0777 "$folder/shared"
  start_engine "$folder"
  close_gates "$folder"
  image=$(node_image)
  cat >"$folder/kind.yaml" <<YAML
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking: {apiServerAddress: 127.0.0.1, disableDefaultCNI: true, podSubnet: 10.244.0.0/16}
nodes:
  - role: control-plane
    extraMounts: [{hostPath: $folder/shared, containerPath: /shared}]
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
  "$programs/kind" create cluster --name "$name" --image "$image" --config "$folder/kind.yaml" --kubeconfig "$folder/kubeconfig" --wait 120s >&2
}

load() {
  local archive
  use_engine "$1"
  for archive in "${@:2}"; do "$programs/kind" load image-archive "$archive" --name "$name" >&2; done
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
up | load | down) "$@" ;;
*) sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 64 ;;
esac
