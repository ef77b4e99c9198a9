#!/usr/bin/env bash
# Make a small Debian root file system in an empty folder: the base of the local base images.
#
# Usage: debian-rootfs.sh SUITE FOLDER
#   DEBIAN_MIRROR  another mirror than debootstrap's own choice
set -euo pipefail
suite=$1 rootfs=$2

log=$rootfs.log
debootstrap --variant=minbase "$suite" "$rootfs" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$log" 2>&1 || {
  tail -n 5 "$log" >&2
  echo "debian-rootfs: debootstrap of $suite failed; all it said is in $log; set DEBIAN_MIRROR if its mirror cannot be reached" >&2
  exit 1
}
rm -f "$log"
# As Debian's own slim images leave out: documents, translations, package indices.
rm -rf "$rootfs"/usr/share/{doc,man,info,locale,lintian}/* "$rootfs"/var/lib/apt/lists/* \
  "$rootfs"/var/cache/apt/* "$rootfs"/var/cache/debconf/*-old "$rootfs"/var/log/*
# Device files belong to the container runtime.
rm -rf "$rootfs"/dev/*
# The first boot of whatever runs from it chooses its identity.
: >"$rootfs/etc/machine-id"
rm -f "$rootfs/etc/hostname" "$rootfs/etc/resolv.conf"
