"""Where clusters keep their state, and what is built once for all of them."""

import os
from pathlib import Path

_PROJECT = "efficientnet-operator"


def state_folder() -> Path:
    """Return the folder above all state of this user's clusters."""
    return _base("XDG_STATE_HOME", ".local/state") / _PROJECT


def clusters_folder() -> Path:
    """Return the folder that holds one folder for each cluster."""
    return state_folder() / "clusters"


def cache_folder() -> Path:
    """Return the folder of binaries and images."""
    return _base("XDG_CACHE_HOME", ".cache") / _PROJECT


def _base(variable: str, default: str) -> Path:
    # The XDG specification: a relative path is to be ignored.
    value = os.environ.get(variable, "")
    return Path(value) if value.startswith("/") else Path.home() / default
