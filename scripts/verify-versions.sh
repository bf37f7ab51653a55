#!/usr/bin/env bash
# Does the operator work with the oldest and the newest version of Kubernetes that is supported (docs/upgrade.md)? Runs its tests against the API server and
# the controller manager of each of testkit/kubernetes-*, and writes docs/results/kubernetes-versions.md. Everything else (etcd, kubectl, Helm) is that of
# testkit/programs, whose version all other tests run on. About a quarter of an hour on two cores, and as long once to build each version.
#
#   NAS_CACHE=... NAS_PROGRAMS=... scripts/verify-versions.sh [VERSION]...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

versions=("$@")
if [ $# = 0 ]; then
  for module in testkit/kubernetes-*; do versions+=("${module#testkit/kubernetes-}"); done
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# What the tests start, from the same place as always.
cargo build --release --workspace ${CI:+--locked} --bins
rows=
failed=0
for version in "${versions[@]}"; do
  built=$(scripts/kubernetes.sh "$version")
  folder=$work/$version
  mkdir "$folder"
  ln -s "$NAS_PROGRAMS"/* "$folder"
  ln -sf "$built"/kube-apiserver "$built"/kube-controller-manager "$folder"
  exact=$("$folder/kube-apiserver" --version | sed 's/^Kubernetes v//')
  [ "${exact%.*}" = "$version" ] || { echo "verify-versions: testkit/kubernetes-$version made $exact" >&2; exit 1; }
  echo "verify-versions: Kubernetes $exact"
  begun=$SECONDS
  # Everything that talks to an API server: the operator's protocol, its deaths and bad weather, what the definitions and the policy refuse, the chart
  # installed, upgraded, rolled back and removed, objects of a newer version.
  NAS_PROGRAMS=$folder cargo test --release --workspace ${CI:+--locked} --no-fail-fast \
    --test cluster --test life --test chart --test definitions --test newer --test uninstall 2>&1 | tee "$folder.txt" && ended=ok || ended=FAILED failed=1
  read -r passed fails < <(awk '/^test result:/ { passed += $4; failed += $6 } END { print passed + 0, failed + 0 }' "$folder.txt")
  # Nothing that ran is no test that passed.
  if [ "$passed" = 0 ]; then ended=FAILED failed=1; fi
  rows+="| $exact | $ended | $passed | $fails | $(((SECONDS - begun + 59) / 60)) |"$'\n'
done
rows=${rows%$'\n'}

mkdir -p docs/results
cat >docs/results/kubernetes-versions.md <<PAGE
# The oldest and the newest Kubernetes

Made by \`make verify-versions\` at commit $(git describe --always --dirty 2>/dev/null || echo unknown) on $(date -u +%F). All other tests run on $("$NAS_PROGRAMS/kube-apiserver" --version | sed 's/^Kubernetes v//').

The operator's tests against a real API server and controller manager of each version: the protocol between decisions, Jobs and pods, deaths of the operator at its writes, bad weather, what the definitions refuse (CEL), the policy for trainers (ValidatingAdmissionPolicy), the chart installed,
upgraded while a search runs, rolled back, uninstalled and installed again, and \`nasctl\` on a cluster. There are no nodes: the test plays the kubelet. etcd, kubectl and Helm are the same for all.

| Kubernetes | | tests passed | failed | minutes |
|---|---|---|---|---|
$rows
PAGE
cat docs/results/kubernetes-versions.md
exit $failed
