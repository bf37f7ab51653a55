# shellcheck shell=bash
# For a script that makes a folder of the cache ready: it sources this first, and has `recipe()`, which makes the folder that its argument names. This
# goes to the checkout's root.
#
# The folder is named by the digest of what it is made of: files that pin versions, and the text of `recipe()`. So another recipe makes another folder,
# and no checkout disturbs another. It is made under a temporary name and renamed when it is whole.
cache=${NAS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nas-operator}
[[ $cache == /* ]] || cache=$PWD/$cache
name=$(basename "${BASH_SOURCE[1]}" .sh)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
script=scripts/$name.sh

say() { echo "$name: $*" >&2; }

need_go() { command -v go >/dev/null || { say "go is missing: install Go 1.26 or newer from https://go.dev/dl"; exit 1; }; }

# Before and after the recipe, for the script to define.
prepare() { :; }
tidy() { :; }

# made MODE FOLDER [FILE]...   makes FOLDER-<digest of the files and the recipe>, unless it is there or MODE is --path, and prints where it is
made() {
  case $1 in
  "" | --path) ;;
  *) say "unknown argument '$1': run it with --path or with nothing"; exit 64 ;;
  esac
  dest=$cache/$2-$({ [ $# -eq 2 ] || cat "${@:3}"; sed -n '/^recipe() {$/,/^}$/p' "$script"; } | sha256sum | cut -c1-12)
  if [ -z "$1" ] && [ ! -d "$dest" ]; then
    mkdir -p "$cache"
    exec 9>"$cache/$name.lock"
    flock -n 9 || { say "another set-up is at work, waiting for it"; flock 9; }
    if [ ! -d "$dest" ]; then
      prepare
      rm -rf "$dest.tmp"
      recipe "$dest.tmp"
      mv "$dest.tmp" "$dest"
      tidy
      say "ready in $dest"
    fi
  fi
  echo "$dest"
}
