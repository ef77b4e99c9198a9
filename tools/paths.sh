# Where the tools that setup.sh installs are, and which uv: sourced by shell scripts, so that
# they work outside make, too.
# shellcheck disable=SC2034
UV_VERSION=0.13.9
TOOLS_VENV=${XDG_CACHE_HOME:-$HOME/.cache}/efficientnet-operator/tools-venv
export PATH=$TOOLS_VENV/bin:$PATH
