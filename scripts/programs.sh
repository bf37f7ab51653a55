#!/usr/bin/env bash
# Makes ready the programs of a Kubernetes cluster for the tests (testkit/programs/go.mod pins them), and prints where they lie.
#
#   scripts/programs.sh          build what is missing (about 8 minutes on two cores, once), print the folder
#   scripts/programs.sh --path   only print the folder
#
# The folder is named by the digest of the pins and of the recipe (scripts/cache.sh). What Go has compiled stays in Go's own cache, so an interrupted
# build is taken up where it stopped.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

prepare() { need_go; cd testkit/programs; }

recipe() {
  local version flags=(-s -w) package
  version=$(sed -n "s|^\tk8s.io/kubernetes \(v[^ ]*\).*|\1|p" go.mod)
  # kubeadm and the API server refuse to work with a version that they do not know.
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=(-X "$package.gitVersion=$version" -X "$package.gitMajor=1" -X "$package.gitMinor=$(cut -d. -f2 <<<"$version")")
    flags+=(-X "$package.gitTreeState=clean" -X "$package.gitCommit=unknown" -X "$package.buildDate=1970-01-01T00:00:00Z")
  done
  say "building Kubernetes $version, etcd, kind, Helm and what they need"
  mkdir -p "$dest.tmp"
  # shellcheck disable=SC2046 # one word for each package
  CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -trimpath -ldflags "${flags[*]}" -o "$dest.tmp/" $(go list tool)
  # Go names a program after its folder, but drops a last folder that is a version.
  if [ -e "$dest.tmp/server" ]; then mv "$dest.tmp/server" "$dest.tmp/etcd"; fi
}

made "${1:-}" programs testkit/programs/go.mod testkit/programs/go.sum
