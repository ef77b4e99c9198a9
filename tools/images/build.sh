#!/usr/bin/env bash
# Build the project's container images here, without a registry, and print their archives.
#
# Usage: tools/images/build.sh [operator|trainer|all|clean]
#   operator, trainer, all   print the path of each image's oci-archive; build it first
#                            unless an archive of the same inputs is in the cache
#   clean                    remove the archives and buildah's storage from the cache
#
# The Dockerfiles are the ones that users build from; only their base images are
# replaced: Debian by debootstrap, its own Python 3.11 for the operator, and a
# copy of the host's Python 3.7 for the trainer.  Every artefact is named by a
# hash of its inputs.  Progress goes to standard error.
set -euo pipefail
shopt -s inherit_errexit # a step that fails inside $(...) ends everything, too

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=tools/paths.sh
. "$root/tools/paths.sh"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/efficientnet-operator/images
suite=bookworm
# A cluster of another checkout may still import the archive of its own sources.
archives_kept=3
started=$SECONDS

say() { echo "images: $* ($((SECONDS - started)) s)" >&2; }
fail() { echo "images: $*" >&2; exit 1; }

# Our own storage: nobody else's images are seen, pruned or removed.
bud() {
  TMPDIR=$cache/tmp buildah --storage-driver overlay --root "$cache/storage" \
    --runroot "$cache/run" "$@"
}

# Forget what is mounted, as a reboot would: buildah leaves its storage mounted
# upon itself, and a killed build its containers.
unmount_storage() {
  local mountpoint
  while read -r mountpoint; do umount "$mountpoint"; done \
    < <(awk -v under="$cache/storage/" 'index($2, under) == 1 { print $2 }' /proc/mounts | tac)
  rm -rf "$cache/run"
}

hash_of() { # words and files -> 12 hex digits
  local argument
  for argument in "$@"; do
    if [ -d "$argument" ]; then
      (cd "$argument" && find . -name __pycache__ -prune -o -type f -print0 | sort -z | xargs -0 -r sha256sum)
    elif [ -f "$argument" ]; then
      sha256sum <"$argument"
    else
      echo "$argument"
    fi
  done | sha256sum | cut -c1-12
}

require_tools() {
  [ "$(uname -s)" = Linux ] || fail "images are built on Linux only, this is $(uname -s)"
  [ "$(id -u)" = 0 ] || fail "debootstrap and buildah need root here; run it again by sudo"
  local tool
  for tool in buildah debootstrap uv flock; do
    command -v "$tool" >/dev/null || fail "$tool is not installed; 'make setup' installs it"
  done
}

have_image() { bud inspect --type image "$1" >/dev/null 2>&1; }

# name, Dockerfile, build context, further arguments of 'buildah bud'
build_image() {
  local name=$1 dockerfile=$2 context=$3; shift 3
  bud bud --layers --pull-never --isolation chroot -t "$name" -f "$dockerfile" "$@" "$context" >"$cache/build.log" 2>&1 || {
    tail -n 20 "$cache/build.log" >&2
    fail "buildah could not build $name from $dockerfile; all it said is in $cache/build.log"
  }
}

debian_image() {
  local name
  name=localhost/efficientnet-base/debian:$suite-$(hash_of "$here/debian-rootfs.sh")
  if ! have_image "$name"; then
    say "bootstrapping Debian $suite, about 1 min, once"
    local rootfs container
    rootfs=$(mktemp -d "$cache/tmp/debian.XXXXXX")
    "$here/debian-rootfs.sh" "$suite" "$rootfs" >&2
    container=$(bud from scratch)
    bud add --quiet "$container" "$rootfs" / >/dev/null
    bud commit --quiet --rm "$container" "$name" >/dev/null
    rm -rf "$rootfs"
  fi
  echo "$name"
}

# The host's uv stands in for ghcr.io/astral-sh/uv: one binary at /uv.
uv_image() {
  local name=localhost/efficientnet-base/uv:$UV_VERSION executable
  if ! have_image "$name"; then
    executable=$(uv_executable)
    say "packing uv $UV_VERSION from $executable"
    local container
    container=$(bud from scratch)
    bud copy --quiet "$container" "$executable" /uv >/dev/null
    bud commit --quiet --rm "$container" "$name" >/dev/null
  fi
  echo "$name"
}

# What is on PATH may be pyenv's shim, a script; only then is pyenv asked, whose uv may be another.
uv_executable() {
  local found version
  found=$(command -v uv)
  if command -v pyenv >/dev/null && [ "$found" -ef "$(pyenv root)/shims/uv" ]; then
    found=$(pyenv which uv) || fail "pyenv's shim on the PATH has no uv behind it; 'make setup' installs uv $UV_VERSION"
  fi
  found=$(readlink -f "$found")
  version=$("$found" --version | cut -d' ' -f2)
  [ "$version" = "$UV_VERSION" ] || fail "$found is uv $version, wanted $UV_VERSION; 'make setup' installs it"
  echo "$found"
}

base_key() {
  case $1 in
    operator) hash_of "$here/operator-base.Dockerfile" "$here/debian-rootfs.sh" ;;
    trainer)
      local prefix; prefix=$("$here/python37.sh" prefix)
      hash_of "$here/trainer-base.Dockerfile" "$here/debian-rootfs.sh" "$here/python37.sh" \
        "words: $prefix" "$("$prefix/bin/python3.7" -VV)"
      ;;
  esac
}

base_image() {
  local which=$1 name context
  name=localhost/efficientnet-base/$which:$(base_key "$which")
  if ! have_image "$name"; then
    local debian; debian=$(debian_image)
    say "building the base of the $which image, about 20 s, once"
    context=$(mktemp -d "$cache/tmp/$which-base.XXXXXX")
    [ "$which" = operator ] || "$here/python37.sh" copy "$context"
    build_image "$name" "$here/$which-base.Dockerfile" "$context" --build-arg "DEBIAN_IMAGE=$debian"
    rm -rf "$context"
  fi
  echo "$name"
}

# How the host reaches its package index, for the RUN steps; secrets never enter a layer.
index_secrets() {
  local name
  for name in $(compgen -e | grep -E '^(UV_(DEFAULT_INDEX|INDEX.*|EXTRA_INDEX_URL|HTTP_TIMEOUT)|(HTTPS?|ALL|NO)_PROXY|(https?|all|no)_proxy)$' || true); do
    printf 'export %s=%q\n' "$name" "${!name}"
  done >"$1/uv-env"
  : >"$1/ca"
  if [ -f "${SSL_CERT_FILE:-}" ]; then
    cp "$SSL_CERT_FILE" "$1/ca"
    echo 'export SSL_CERT_FILE=/run/secrets/ca' >>"$1/uv-env"
  fi
}

# Sources may be edited while an image is built: the key and the build both take
# this copy, so an archive never holds other sources than its name says.
snapshot_sources() {
  local which=$1 target=$2
  mkdir -p "$target/$which"
  cp -a "$root/Dockerfile.$which" "$root/.dockerignore" "$target"
  (cd "$root/$which" && cp -a pyproject.toml uv.lock README.md src "$target/$which")
}

image() {
  local which=$1 context archive
  context=$cache/tmp/context.$which
  snapshot_sources "$which" "$context"
  archive=$cache/$which-$(hash_of "$context" "$(base_key "$which")" "$here/build.sh" "uv $UV_VERSION").tar
  if [ ! -f "$archive" ]; then
    build_archive "$which" "$context" "$archive"
  fi
  rm -rf "$context"
  touch "$archive"
  echo "$archive"
}

build_archive() {
  local which=$1 context=$2 archive=$3 base uv secrets
  local name=localhost/efficientnet-$which:dev
  unmount_storage
  bud rm --all >/dev/null # working containers of a build that failed or was killed
  uv=$(uv_image)
  base=$(base_image "$which")
  say "building $name, about 1 min when its dependencies changed, else seconds"
  secrets=$(mktemp -d "$cache/tmp/secrets.XXXXXX")
  index_secrets "$secrets"
  build_image "$name" "$context/Dockerfile.$which" "$context" --ignorefile "$context/.dockerignore" \
    --build-arg "BASE_IMAGE=$base" --build-arg "UV_IMAGE=$uv" \
    --secret "id=uv-env,src=$secrets/uv-env" --secret "id=ca,src=$secrets/ca"
  rm -rf "$secrets"
  say "writing $archive"
  # Fast to write and to unpack; nothing is sent anywhere.
  bud push --quiet --compression-format zstd --compression-level 1 "$name" "oci-archive:$archive.part:$name" >&2
  mv "$archive.part" "$archive"
  forget_old_archives "$which"
  # Layers of earlier sources; what the current images rest on stays.
  bud rmi --prune >/dev/null
  unmount_storage
}

forget_old_archives() {
  local archive
  while read -r archive; do rm -f "$archive"; done \
    < <(ls -t "$cache/$1"-*.tar | tail -n +$((archives_kept + 1)))
}

clean() {
  require_tools
  [ -d "$cache" ] || return 0
  unmount_storage
  rm -rf "$cache"
}

main() {
  case ${1:-all} in
    clean) clean; return ;;
    operator | trainer | all) ;;
    *) sed -n '4,7p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
  require_tools
  [ "${1:-all}" = operator ] || "$here/python37.sh" prefix >/dev/null # before anything is built
  mkdir -p "$cache/tmp"
  exec 9>"$cache/.lock"
  flock 9 # two runs on one machine share the cache
  # What a killed run left; nobody else is in here while the lock is held.
  rm -rf "${cache:?}/tmp"/{debian,operator-base,trainer-base,context,secrets}.* "$cache"/*.part
  [ "${1:-all}" = trainer ] || image operator
  [ "${1:-all}" = operator ] || image trainer
}

main "$@"
