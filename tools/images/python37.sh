#!/usr/bin/env bash
# Find a CPython 3.7: pyenv's where there is one, else uv's.
#
# Usage: python37.sh prefix        print its prefix
#        python37.sh copy FOLDER   copy the interpreter into a folder, for an image's /usr/local
#
# Python 3.7 is in no current distribution, and TensorFlow 1.15 runs on nothing newer.
set -euo pipefail

works() { "$1/bin/python3.7" -c 'import ssl, sqlite3' 2>/dev/null; }

from_uv() {
  command -v uv >/dev/null || return 0
  uv python install --quiet 3.7 2>/dev/null || true
  local executable
  executable=$(uv python find --quiet --managed-python --no-project 3.7 2>/dev/null || true)
  echo "${executable%/bin/python3.7}"
}

prefix() {
  local candidate
  for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.7.*; do
    if works "$candidate"; then echo "$candidate"; return; fi
  done
  candidate=$(from_uv)
  if [ -n "$candidate" ] && works "$candidate"; then echo "$candidate"; return; fi
  cat >&2 <<'MESSAGE'
python37: no CPython 3.7 found, neither in pyenv nor from uv; the trainer needs it for TensorFlow 1.15.
  With network access to GitHub:  uv python install 3.7
  Or build it with pyenv:         pyenv install 3.7.17
MESSAGE
  return 1
}

# The interpreter and its standard library alone: what else was installed into
# the host's interpreter belongs to the host.
copy() {
  local folder=$1 source
  source=$(prefix)
  tar -C "$source" -cf - \
    --exclude=__pycache__ --exclude='*/site-packages/*' --exclude='lib/python3.7/test' \
    --exclude='*/idlelib' --exclude='*/tkinter' --exclude='*_tkinter*' --exclude='*/turtledemo' \
    --exclude='*.a' --exclude='*/config-3.7m-*/*' \
    bin/python3.7 lib | tar -C "$folder" -xf -
  ln -s python3.7 "$folder/bin/python3"
  ln -s python3.7 "$folder/bin/python"
}

case ${1:-} in
  prefix) prefix ;;
  copy) copy "${2:?python37: copy wants a folder}" ;;
  *) sed -n '4,5p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
