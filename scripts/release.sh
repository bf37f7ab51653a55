#!/usr/bin/env bash
# A release, without publishing it: makes all that a release consists of in dist/, and checks it. What cannot be checked here is said with the reason.
#
#   NAS_COMMIT=... scripts/release.sh      after `make build`
#
# dist/: images (OCI archives, with a list of all that is in them), nasctl with the trainer for a laptop, the chart, the definitions, checksums.
# CUDA=1: the trainer's image for GPUs as well (fetches PyTorch, about 2.5 GB, once).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
# All times in what is released are the commit's: who builds the same commit with the same tools gets the same files.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH COMPRESS=--compress LC_ALL=C TZ=UTC
say() { echo "release: $*"; }
fail() { echo "release: $*" >&2; exit 1; }
images=(nas-operator nas-trainer ${CUDA:+nas-trainer-cuda})
programs=(nasctl nas-operator nas-trainer)

say "$version, commit $NAS_COMMIT"
[[ $NAS_COMMIT != *dirty ]] || say "the checkout has changes that are not committed: good for a look, not for a release"
for place in "charts/nas-operator/Chart.yaml:version: $version" "charts/nas-operator/Chart.yaml:appVersion: $version" \
  "charts/nas-operator/values.yaml:  image: ghcr.io/nas-operator/nas-trainer:$version"; do
  grep -qxF "${place#*:}" "${place%%:*}" || fail "${place%%:*} does not have the line '${place#*:}': Cargo.toml says $version"
done
for program in "${programs[@]}"; do
  told=$("bin/$program" --version)
  [ "$told" = "$program $version ($NAS_COMMIT)" ] || fail "$program --version says '$told' and not '$program $version ($NAS_COMMIT)': run 'make build'"
done

say "licences, sources, duplicates"
scripts/audit.sh
say "advisories"
scripts/advisories.sh || [ $? = 3 ]
say "the oldest Rust that Cargo.toml promises"
scripts/msrv.sh || [ $? = 3 ]

rm -rf dist
mkdir -p dist/again
say "images"
for folder in dist dist/again; do deploy/assemble-images.sh "$folder" "$version" "${images[@]}" >"$folder/images.txt"; done
cat dist/images.txt
cmp dist/images.txt dist/again/images.txt || fail "an image differs when it is assembled again"
rm -r dist/again dist/images.txt
for image in "${images[@]}"; do mv "dist/$image.tar" "dist/$image-$version.oci.tar"; done

say "what is in them"
scripts/tool.sh cargo-sbom >/dev/null
for image in "${images[@]}"; do scripts/sbom.py "$image" "bin/${image%-cuda}" "dist/$image-$version.oci.tar" >"dist/$image-$version.spdx.json"; done
scripts/sbom.py nasctl bin/nasctl >"dist/nasctl-$version.spdx.json"

say "for a laptop"
laptop=nas-operator-$version-linux-x86_64
mkdir -p "dist/$laptop/lib"
for program in nasctl nas-trainer; do strip -o "dist/$laptop/$program" "bin/$program"; done
cp -L bin/lib/lib{torch_cpu,c10}.so bin/lib/lib{gomp,cudart,cupti}.so.* "dist/$laptop/lib/"
cp -r LICENSE README.md CHANGELOG.md configs "dist/$laptop/"
ln -s nasctl "dist/$laptop/kubectl-nas"
pack() { tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=go=rX,u+w -C dist -c "$1" | gzip -n -6; }
pack "$laptop" >"dist/$laptop.tar.gz"
env -i "dist/$laptop/nasctl" validate "dist/$laptop/configs/quickstart.yaml" >/dev/null || fail "nasctl of the archive does not run"
# It would find them where it was built, too.
env -u LD_LIBRARY_PATH ldd "dist/$laptop/nas-trainer" | grep -qF "=> $PWD/dist/$laptop/lib/libtorch_cpu.so " || fail "nas-trainer of the archive does not find its libraries beside it"
env -i "dist/$laptop/nas-trainer" --version >/dev/null || fail "nas-trainer of the archive does not start"
rm -r "dist/$laptop"

say "chart and definitions"
"$NAS_PROGRAMS/helm" package charts/nas-operator --destination dist >/dev/null
# Packed anew, since Helm puts the time of the day into it.
tar -xzf "dist/nas-operator-$version.tgz" -C dist
pack nas-operator >"dist/nas-operator-$version.tgz"
rm -r dist/nas-operator
"$NAS_PROGRAMS/helm" lint --quiet "dist/nas-operator-$version.tgz"
"$NAS_PROGRAMS/helm" template nas-operator "dist/nas-operator-$version.tgz" --namespace nas-system --kube-version 1.36.0 >dist/rendered.yaml
grep -qF "image: \"ghcr.io/nas-operator/nas-operator:$version\"" dist/rendered.yaml || fail "the chart does not install the image of its version"
rm dist/rendered.yaml
for file in crds/*.yaml; do echo ---; cat "$file"; done >"dist/crds-$version.yaml"

(cd dist && sha256sum -- * >SHA256SUMS && sha256sum --check --quiet SHA256SUMS)
say "dist/ has"
(cd dist && stat --format='%s %n' -- * | awk '{ printf "  %9.1f MB  %s\n", $1 / 1e6, $2 }')
