"""Write what a control plane needs before its first start, and tell when it is ready.

Shared by ``control_plane`` (loopback, any user) and ``cluster`` (real nodes).
"""

import ssl
import urllib.error
import urllib.request
from pathlib import Path

import yaml

from localcluster.certificates import Pair, issue, make_authority, make_signing_key
from localcluster.components import (
    ControlPlaneKeys,
    ControlPlaneSettings,
    build_scheduler_config,
)
from localcluster.kubeconfig import write_kubeconfig


def write_files(settings: ControlPlaneSettings, admin_kubeconfig: Path) -> ControlPlaneKeys:
    """Write certificates, kubeconfigs and configuration; certificates that stand are kept."""
    authority = make_authority(settings.pki)
    served = [
        settings.address,
        settings.service_subnet[1],
        "127.0.0.1",
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ]
    admin = issue(authority, "admin", "local-admin", ["system:masters"])
    write_kubeconfig(admin_kubeconfig, settings.name, settings.url, authority, admin)
    kubeconfigs = {}
    for component in ("controller-manager", "scheduler"):
        user = issue(authority, component, f"system:kube-{component}")
        kubeconfigs[component] = write_kubeconfig(
            settings.kubeconfigs / component, settings.name, settings.url, authority, user
        )
    settings.scheduler_config.write_text(
        yaml.safe_dump(build_scheduler_config(kubeconfigs["scheduler"]))
    )
    return ControlPlaneKeys(
        authority=authority,
        api_server=issue(authority, "kube-apiserver", "kube-apiserver", hosts=served),
        kubelet_client=issue(authority, "kubelet-client", "kube-apiserver", ["system:masters"]),
        service_accounts=make_signing_key(settings.pki),
        kubeconfigs=kubeconfigs,
    )


def is_api_ready(url: str, authority: Pair) -> bool:
    """Tell whether the API server says that it is ready, which anybody may ask."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    try:
        with urllib.request.urlopen(f"{url}/readyz", context=context, timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
