#!/usr/bin/env bash
# Print the prefix of a CPython 3.7: pyenv's where there is one, else uv's.
#
# Python 3.7 is in no current distribution, and TensorFlow 1.15 runs on nothing newer.
set -euo pipefail

is_python37() { "$1/bin/python3.7" -c 'import ssl, sqlite3' 2>/dev/null; }

for prefix in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.7.*; do
  if is_python37 "$prefix"; then echo "$prefix"; exit; fi
done

if command -v uv >/dev/null; then
  uv python install --quiet 3.7 2>/dev/null || true
  executable=$(uv python find --quiet --managed-python --no-project 3.7 2>/dev/null || true)
  prefix=${executable%/bin/python3.7}
  if [ -n "$executable" ] && is_python37 "$prefix"; then echo "$prefix"; exit; fi
fi

cat >&2 <<'MESSAGE'
python37: no CPython 3.7 found, neither in pyenv nor from uv; the trainer needs it for TensorFlow 1.15.
  With network access to GitHub:  uv python install 3.7
  Or build it with pyenv:         pyenv install 3.7.17
MESSAGE
exit 1
