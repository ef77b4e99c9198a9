#!/usr/bin/env bash
# Build the local cluster's binaries from Go modules into the cache, once per version.
#
# Usage: tools/binaries.sh [build [COMPONENT...] | path NAME | list]
#   build      build what is missing, of these components or of all; returns at
#              once when nothing is
#   path NAME  print where one binary stands (kubectl, helm, ...)
#   list       print "NAME PATH" of every binary, built or not
#
# Each component has a folder of its own, named by its version, so that a new
# version rebuilds that component alone. A folder appears only when it is whole.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/efficientnet-operator/tools

K8S=$(sed -n 's|^\tk8s.io/kubernetes v\(1[0-9.]*\).*|\1|p' "$here/go.mod")
ETCD=$(sed -n 's|^\tgo.etcd.io/etcd/server/v3 v\([0-9.]*\).*|\1|p' "$here/go.mod")
CONTAINERD=2.4.2
KWOK=0.8.0
HELM=4.3.1
KUBECONFORM=0.8.0
HELM_DOCS=1.14.2

# component  version  minutes-cold  how  packages
components() {
  cat <<LIST
kubernetes $K8S 7 module k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kube-controller-manager k8s.io/kubernetes/cmd/kube-scheduler k8s.io/kubernetes/cmd/kubelet k8s.io/kubernetes/cmd/kube-proxy k8s.io/kubernetes/cmd/kubectl
etcd $ETCD 1 module go.etcd.io/etcd/server/v3
containerd $CONTAINERD 1 install github.com/containerd/containerd/v2/cmd/containerd github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2 github.com/containerd/containerd/v2/cmd/ctr
kwok $KWOK 1 install sigs.k8s.io/kwok/cmd/kwok
helm $HELM 2 install helm.sh/helm/v4/cmd/helm
kubeconform $KUBECONFORM 1 install github.com/yannh/kubeconform/cmd/kubeconform
helm-docs $HELM_DOCS 1 install github.com/norwoodj/helm-docs/cmd/helm-docs
LIST
}

# The last path element names the binary, but for etcd's server module.
binary_name() { case $1 in */etcd/server/v3) echo etcd ;; *) basename "$1" ;; esac; }

build_component() {
  local name=$1 version=$2 minutes=$3 how=$4; shift 4
  local target=$cache/$name-$version
  [ -d "$target" ] && return
  local work=$cache/.building-$name
  rm -rf "$work"              # of a build that was cut short; the lock says nobody uses it
  mkdir -p "$work"
  echo "binaries: building $name $version (about $minutes min on 2 cores, once)"
  local package started=$SECONDS
  for package in "$@"; do
    local output=$work/$(binary_name "$package")
    if [ "$how" = module ]; then
      (cd "$here" && CGO_ENABLED=0 go build -trimpath -ldflags "$(version_flags "$version")" -o "$output" "$package")
    else
      CGO_ENABLED=0 GOBIN=$work go install -trimpath -ldflags "-s -w" "$package@v$version"
    fi
    echo "binaries:   $(basename "$output") at $((SECONDS - started)) s"
  done
  # kwok has no stages built in; those of its own module say what a fake node does.
  if [ "$name" = kwok ]; then
    cp -r --no-preserve=mode "$(go env GOMODCACHE)/sigs.k8s.io/kwok@v$version/kustomize/stage" "$work/stage"
  fi
  mv -T "$work" "$target"
}

# Without these the servers report v0.0.0 and clients refuse to match versions.
version_flags() {
  local p=k8s.io/component-base/version minor=${1#*.}
  echo "-s -w -X $p.gitVersion=v$1 -X $p.gitMajor=${1%%.*} -X $p.gitMinor=${minor%%.*} -X $p.gitTreeState=clean"
}

build() {
  local wanted=" $* " line
  [ $# -gt 0 ] || wanted=" $(components | cut -d' ' -f1 | tr '\n' ' ') "
  for line in "$@"; do
    components | grep -q "^$line " || { echo "binaries: no component named '$line'; there are: $(components | cut -d' ' -f1 | tr '\n' ' ')" >&2; exit 2; }
  done
  mkdir -p "$cache"
  exec 9>"$cache/.lock"
  flock 9                     # two runs on one machine share the cache
  while read -r line; do
    # shellcheck disable=SC2086
    case $wanted in *" ${line%% *} "*) build_component $line </dev/null ;; esac
  done < <(components)
}

list() {
  local name version minutes how packages package
  while read -r name version minutes how packages; do
    for package in $packages; do
      echo "$(binary_name "$package") $cache/$name-$version/$(binary_name "$package")"
    done
  done < <(components)
}

path() {
  list | sed -n "s|^$1 ||p" | grep . && return
  echo "binaries: no binary named '$1'; '$0 list' names them all" >&2
  return 1
}

case ${1:-build} in
  build) shift || true; build "$@" ;;
  path) path "${2:?binaries: path wants a name, for example 'path kubectl'}" ;;
  list) list ;;
  *) sed -n '2,11p' "$0" >&2; exit 2 ;;
esac
