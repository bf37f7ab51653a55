#!/usr/bin/env bash
# Runs a command that uses cluster.sh where nothing of a cluster gets out and nothing of it stays behind.
#
#   enclosed.sh COMMAND [ARGUMENT]...      exit 3: there is no container engine, and none may be started
#
# With an engine that is there (`docker info`) the command runs as it is, and cluster.sh closes the gates. As root in CI (or with
# NAS_ENGINE=own) it runs in namespaces of its own, where cluster.sh starts an engine: a network that has no way out, and processes and
# mounts that end with the command, also where it is killed. The command finds NAS_ENCLOSED=there or =own.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

export PATH=$PATH:/usr/sbin:/sbin
not_run() { echo "kind: NOT RUN, because $*" >&2; exit 3; }

command -v docker >/dev/null || not_run "docker is missing: sudo apt-get install docker.io"
if docker info >/dev/null 2>&1; then
  echo "kind: using the container engine that is there" >&2
  NAS_ENCLOSED=there exec "$@"
fi
if [ "$(id -u)" != 0 ] || { [ -z "${CI:-}" ] && [ "${NAS_ENGINE:-}" != own ]; }; then
  not_run "no container engine answers ('docker info'): start one, or run as root with NAS_ENGINE=own"
fi
for tool in dockerd ip iptables unshare; do
  command -v "$tool" >/dev/null || not_run "$tool is missing: sudo apt-get install docker.io iproute2 iptables util-linux"
done
# What needs Debian's packages, before the door is closed.
"$here/cluster.sh" image >/dev/null
export NAS_ENCLOSED=own
# shellcheck disable=SC2016 # expanded inside
exec unshare --net --mount --pid --fork --kill-child --mount-proc -- bash -c 'ip link set lo up && exec "$@"' enclosed "$@"
