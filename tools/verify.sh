#!/usr/bin/env bash
# Fail if a generated file differs from what is committed, or is new or gone.
#
# Usage: tools/verify.sh     after `make generate`; `make verify` does both
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { echo "verify: $*" >&2; exit 1; }

# Root may look at a checkout that belongs to somebody else.
ask() { git --no-optional-locks -c safe.directory='*' "$@"; }

[ "$(ask rev-parse --is-inside-work-tree)" = true ] ||
  fail "$PWD: git can not compare it with what is committed, see above; run it in a git clone"
changed=$(ask status --porcelain --untracked-files=all -- deploy charts docs/reference)
[ -z "$changed" ] && exit
echo "$changed" >&2
ask --no-pager diff HEAD -- deploy charts docs/reference >&2
fail "generated files differ from what is committed; commit the output of 'make generate'"
