# Where the tools that setup.sh installs are: sourced by shell scripts, so that they work
# outside make, too.
TOOLS_VENV=${XDG_CACHE_HOME:-$HOME/.cache}/efficientnet-operator/tools-venv
export PATH=$TOOLS_VENV/bin:$PATH
