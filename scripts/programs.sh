#!/usr/bin/env bash
# Makes ready the programs of a Kubernetes cluster for the tests (testkit/programs/go.mod pins them), and prints where they lie.
#
#   scripts/programs.sh          build what is missing (about 8 minutes on two cores, once), print the folder
#   scripts/programs.sh --path   only print the folder
#
# The folder is named by the digest of the pins and of this recipe. It is made under a temporary name and renamed; what Go has compiled
# stays in Go's own cache, so an interrupted build is taken up where it stopped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../testkit/programs"

cache=${NAS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nas-operator}
dest=$cache/programs-$({ cat go.mod go.sum; sed -n '/^recipe() {$/,/^}$/p' ../../scripts/programs.sh; } | sha256sum | cut -c1-12)

say() { echo "programs: $*" >&2; }

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

prepare() {
  if [ -d "$dest" ]; then return; fi
  command -v go >/dev/null || { say "go is missing (builds the cluster programs): install Go 1.26 or newer from https://go.dev/dl"; exit 1; }
  mkdir -p "$cache"
  exec 9>"$cache/programs.lock"
  flock -n 9 || { say "another set-up is at work, waiting for it"; flock 9; }
  if [ -d "$dest" ]; then return; fi
  recipe
  mv "$dest.tmp" "$dest"
  say "ready in $dest"
}

case ${1:-} in
"") prepare ;;
--path) ;;
*) say "unknown argument '$1': run it with --path or with nothing"; exit 64 ;;
esac
echo "$dest"
