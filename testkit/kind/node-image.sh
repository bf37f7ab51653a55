#!/usr/bin/env bash
# Assembles a node image for kind where the public one cannot be pulled: Debian 12 with systemd and containerd, kind's own files, and the
# Kubernetes programs that testkit/programs pins. Needs root (it runs containerd for a moment to fill the node's image store).
#
#   node-image.sh TAG OUTPUT      OUTPUT: a docker-archive
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

tag=$1 output=$2
programs=${NAS_PROGRAMS:-$(../../scripts/programs.sh)}
kind=$(cd ../programs && go list -m -f '{{.Dir}}' sigs.k8s.io/kind)
kubernetes=$(cd ../programs && go list -m -f '{{.Dir}}' k8s.io/kubernetes)
version=$(cd ../programs && go list -m -f '{{.Version}}' k8s.io/kubernetes)
work=$(mktemp -d "$(dirname "$output")/node.XXXXXX")
store=
# shellcheck disable=SC2317 # reached by the trap
clean() {
  if [ -n "$store" ]; then kill "$store" 2>/dev/null || true; wait "$store" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap clean EXIT
say() { echo "node image: $*" >&2; }
image() { ../../deploy/image.py "$@" >&2; }
root=$work/root
library=/usr/lib/x86_64-linux-gnu

debian() {
  say "Debian 12 with systemd and containerd"
  # Not Debian 13: its systemd refuses cgroup v1, which some test machines have.
  mmdebstrap --quiet --variant=minbase --dpkgopt=force-unsafe-io --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include=systemd,systemd-sysv,dbus,conntrack,iptables,nftables,iproute2,ethtool,util-linux,mount,kmod,libseccomp2,pigz,e2fsprogs,bash,ca-certificates,jq,procps,containerd,runc \
    bookworm "$work/debian.tar" >&2
  mkdir "$root"
  tar -C "$root" -xpf "$work/debian.tar" --numeric-owner
  rm "$work/debian.tar"
}

# What kind's images/base/Dockerfile does.
kind_base() {
  say "kind's files"
  local files=$kind/images/base/files unit
  install -m 0755 "$files/usr/local/bin/entrypoint" "$root/usr/local/bin/entrypoint"
  cp -r --no-preserve=mode,ownership "$files/kind" "$files/etc" "$root/"
  chmod 0755 "$root/kind/bin/"*
  find "$root/lib/systemd/system/sysinit.target.wants/" -name systemd-tmpfiles-setup.service -delete
  rm -f "$root"/lib/systemd/system/{multi-user,local-fs,basic}.target.wants/* "$root"/etc/systemd/system/*.wants/* \
    "$root"/lib/systemd/system/sockets.target.wants/{*udev*,*initctl*}
  echo ReadKMsg=no >>"$root/etc/systemd/journald.conf"
  [ -e "$root/sbin/init" ] || ln -s /usr/lib/systemd/systemd "$root/sbin/init"
  mkdir -p "$root"/etc/systemd/system/multi-user.target.wants "$root"/etc/kubernetes/manifests "$root"/opt/cni/bin \
    "$root"/etc/cni/net.d "$root"/kind/manifests
  for unit in kubelet containerd undo-mount-hacks; do
    ln -sf "/etc/systemd/system/$unit.service" "$root/etc/systemd/system/multi-user.target.wants/$unit.service"
  done
  ln -sf /dev/null "$root/etc/systemd/system/systemd-binfmt.service"
  # kind's unit starts containerd from here.
  ln -sf /usr/bin/{containerd,ctr,containerd-shim-runc-v2} "$root/usr/local/bin/"
  # A machine without CAP_SYS_RESOURCE cannot lower oom_score_adj: containerd is to bear that.
  sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' "$root/etc/containerd/config.toml"
  chroot "$root" ctr oci spec |
    jq '.hooks.createContainer[.hooks.createContainer | length] |= . + {"path": "/kind/bin/mount-product-files.sh"} | del(.process.rlimits)' \
      >"$root/etc/containerd/cri-base.json"
}

node_programs() {
  say "Kubernetes $version"
  printf %s "$version" >"$root/kind/version"
  cp "$programs"/{kubeadm,kubelet,kubectl} "$root/usr/bin/"
  cp "$programs/crictl" "$root/usr/local/bin/"
  cp "$programs"/{ptp,loopback,host-local} "$root/opt/cni/bin/"
}

# The images that kubeadm starts, each of one program.
inner_images() {
  say "the images of the control plane"
  local images=$work/images registry=registry.k8s.io pause program
  mkdir "$images"
  pause=$(sed -n 's/.*sandbox_image = "\(.*\)"/\1/p' "$root/etc/containerd/config.toml")
  gcc -Os -static -s -DVERSION=v0 -o "$work/pause" "$kubernetes/build/pause/linux/pause.c"
  image --tag "$pause" --output "$images/pause.tar" --file "$work/pause:/pause" --entrypoint /pause --user 65535:65535
  for program in kube-apiserver kube-controller-manager kube-scheduler; do
    image --tag "$registry/$program:$version" --output "$images/$program.tar" --file "$programs/$program:/usr/local/bin/$program" --folder /tmp:1777
  done
  image --tag "$("$programs/kubeadm" config images list --kubernetes-version "$version" 2>/dev/null | grep /etcd:)" \
    --output "$images/etcd.tar" --file "$programs/etcd:/usr/local/bin/etcd"
  kube_proxy_root
  image --tag "$registry/kube-proxy:$version" --output "$images/kube-proxy.tar" --layer "$work/kube-proxy.tar"
}

# kube-proxy calls iptables, whose extensions are loaded when a rule needs them: their libraries must be there, too.
kube_proxy_root() {
  local proxy=$work/kube-proxy name family
  mkdir -p "$proxy"/usr/{local/bin,sbin,bin,lib64} "$proxy$library" "$proxy"/{run,etc,tmp}
  for name in sbin bin lib lib64; do ln -s "usr/$name" "$proxy/$name"; done
  cp "$programs/kube-proxy" "$proxy/usr/local/bin/"
  cp -a "$root$library/xtables" "$proxy$library/"
  for name in usr/sbin/xtables-nft-multi usr/sbin/nft usr/sbin/conntrack usr/bin/kmod; do cp -aL "$root/$name" "$proxy/$name"; done
  chroot "$root" sh -c "ldd /usr/sbin/xtables-nft-multi /usr/sbin/nft /usr/sbin/conntrack /usr/bin/kmod $library/xtables/*.so" |
    sed -n 's/.* => \(\/[^ ]*\).*/\1/p; s/^[[:space:]]\(\/[^ ]*\) (.*/\1/p' | sort -u |
    while read -r name; do mkdir -p "$proxy$(dirname "$name")" && cp -L "$root$name" "$proxy$name"; done
  for family in iptables ip6tables; do
    for name in "" -save -restore; do ln -s xtables-nft-multi "$proxy/usr/sbin/$family$name"; done
  done
  ln -s ../bin/kmod "$proxy/usr/sbin/modprobe"
  tar -C "$proxy" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work/kube-proxy.tar" .
}

# Imports the images into the store that the node's containerd will find.
preload() {
  say "filling the node's image store"
  local run=$work/run archive
  mkdir "$run"
  cat >"$work/containerd.toml" <<TOML
version = 2
root = "$root/var/lib/containerd"
state = "$run/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$run/containerd.sock"
[ttrpc]
  address = "$run/containerd.sock.ttrpc"
TOML
  "$root/usr/bin/containerd" -c "$work/containerd.toml" >"$work/containerd.log" 2>&1 &
  store=$!
  for _ in $(seq 100); do "$root/usr/bin/ctr" -a "$run/containerd.sock" version >/dev/null 2>&1 && break; sleep 0.1; done
  for archive in "$work"/images/*.tar; do
    "$root/usr/bin/ctr" -a "$run/containerd.sock" -n k8s.io images import --all-platforms --no-unpack --digests "$archive" >&2
  done
  kill "$store"
  wait "$store" || true
  store=
}

debian
kind_base
node_programs
inner_images
preload
say "packing"
tar -C "$root" --sort=name --numeric-owner --xattrs -cf "$work/node.tar" .
image --tag "$tag" --output "$output" --layer "$work/node.tar" --env container=docker --stop-signal SIGRTMIN+3 \
  --entrypoint /usr/local/bin/entrypoint --entrypoint /sbin/init
