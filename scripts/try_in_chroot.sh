#!/usr/bin/env bash
# Prove set-up on a plain Debian 12: clone this repository into a fresh chroot that holds nothing but a
# minimal system with g++, git, make and ca-certificates, and run make there.
#
#   sudo scripts/try_in_chroot.sh [MAKE ARGUMENTS…]      default: build
#
# Needs root and debootstrap. What is committed is what is tried. Variables:
#   MILLRACE_CHROOT       where the chroots lie (default /var/tmp/millrace-chroot, about 3 GB a run)
#   MILLRACE_SHARED_DATA  a folder of real data for the tests, seen read-only from inside
#   KEEP=1                keep the chroot of this run
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ "$(id -u)" -eq 0 ] || { echo "try_in_chroot: needs root (debootstrap, chroot, mount)" >&2; exit 1; }
command -v debootstrap > /dev/null || { echo "try_in_chroot: apt-get install debootstrap" >&2; exit 1; }
[ $# -gt 0 ] || set -- build

top=${MILLRACE_CHROOT:-/var/tmp/millrace-chroot}
base=$top/base
root=$top/run.$$
data=${MILLRACE_SHARED_DATA:-}
mkdir -p "$top"

say() { printf '### %s [%d s]\n' "$*" "$SECONDS"; }

clean_up() {
  local mounted
  # Deepest first. Nothing is deleted while anything of the machine is still mounted inside.
  for mounted in data dev/shm dev/pts dev sys proc; do
    mountpoint -q "$root/$mounted" && umount "$root/$mounted" || true
  done
  if grep -q " $root/" /proc/mounts; then
    echo "try_in_chroot: something is still mounted under $root; unmount it by hand" >&2
  elif [ -z "${KEEP:-}" ]; then
    rm -rf --one-file-system "$root"
  fi
}

# in_chroot COMMAND…: with a clean environment, but for the proxy and certificate settings of this machine.
in_chroot() {
  local name settings=()
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY NODE_EXTRA_CA_CERTS CI; do
    [ -z "${!name:-}" ] || settings+=("$name=${!name}")
  done
  [ -z "$data" ] || settings+=("MILLRACE_SHARED_DATA=/data")
  chroot "$root" env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 TERM="${TERM:-dumb}" "${settings[@]}" "$@"
}

if [ ! -f "$base/.complete" ]; then
  say "debootstrap a minimal bookworm into $base"
  rm -rf --one-file-system "$base"
  debootstrap --variant=minbase bookworm "$base" > "$top/debootstrap.log"
  touch "$base/.complete"
fi

trap clean_up EXIT
say "a fresh copy of it in $root"
cp -a "$base" "$root"
mount -t proc proc "$root/proc"
mount --bind /sys "$root/sys"
mount --bind /dev "$root/dev"
mount --bind /dev/pts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
if [ -n "$data" ]; then
  mkdir "$root/data"
  mount --bind -o ro "$data" "$root/data"
fi
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
# An installed system has this from its installer.
printf '127.0.0.1 localhost\n::1 localhost\n' > "$root/etc/hosts"

say "what a person has before starting: g++, git, make"
in_chroot sh -c 'apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y \
  --no-install-recommends g++ git make ca-certificates' > "$root/prepare.log" 2>&1 ||
  { tail -n 20 "$root/prepare.log"; exit 1; }
# What this machine trusts (a company's proxy, say), the chroot trusts too.
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"

say "clone $(git rev-parse --short HEAD)"
git clone -q --no-hardlinks "$PWD" "$root/root/millrace"

say "make $*"
in_chroot make -C /root/millrace "$@"
say "done: make $* on a plain Debian 12"
