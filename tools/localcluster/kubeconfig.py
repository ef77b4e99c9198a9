"""Build kubeconfig files: one server, one certificate, everything embedded.

A file that needs no other can be copied, mounted or handed to a test.
"""

import base64
import os
from pathlib import Path
from typing import Any

import yaml

from localcluster.certificates import Pair


def build_kubeconfig(
    cluster: str, server: str, authority: bytes, certificate: bytes, key: bytes
) -> dict[str, Any]:
    """Return a kubeconfig whose only context bears the cluster's name; all bytes are PEM."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": cluster,
                "cluster": {"server": server, "certificate-authority-data": _text(authority)},
            }
        ],
        "users": [
            {
                "name": cluster,
                "user": {
                    "client-certificate-data": _text(certificate),
                    "client-key-data": _text(key),
                },
            }
        ],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
        "current-context": cluster,
    }


def write_kubeconfig(path: Path, cluster: str, server: str, authority: Pair, user: Pair) -> Path:
    """Write the kubeconfig of one identity, readable by its owner alone, and return its path."""
    content = build_kubeconfig(
        cluster,
        server,
        authority.certificate.read_bytes(),
        user.certificate.read_bytes(),
        user.key.read_bytes(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        yaml.safe_dump(content, stream, sort_keys=False)
    return path


def _text(pem: bytes) -> str:
    return base64.b64encode(pem).decode()
