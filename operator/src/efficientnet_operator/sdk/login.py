"""Log in to a cluster: kubeconfig, exec plugin or a pod's own ServiceAccount.

What comes out is a ``Login``, plain values that both transports understand.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from efficientnet_operator.sdk.errors import LoginError
from efficientnet_operator.sdk.kubeconfig import Access, choose_access

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
EXEC_TIMEOUT_S = 120.0
"""A plugin may send a person to a browser."""


@dataclass(frozen=True, slots=True)
class Login:
    """How to speak with one API server.

    Attributes:
        server: its URL, without a slash at the end.
        namespace: the one that is meant where none is named.
        access: what it was made of, to log in anew when a token has expired.
        tls: None for plain HTTP.
        headers: those that say who asks.
        proxy: URL of an HTTP proxy on the way; "" for none.
    """

    server: str
    namespace: str
    access: Access
    tls: ssl.SSLContext | None
    headers: Mapping[str, str]
    proxy: str = ""


def log_in(kubeconfig: str | None = None, context: str | None = None) -> Login:
    """Return the login that kubectl would use.

    Args:
        kubeconfig: path of the one file to read; None is $KUBECONFIG, else ~/.kube/config, else
            the ServiceAccount of the pod that this runs in.
        context: of the kubeconfig; None is the current one.

    Raises:
        LoginError: there is none, or it cannot be used.
    """
    files = [(path, _read_yaml(path)) for path in _find_files(kubeconfig)]
    if files:
        return open_access(choose_access(files, context))
    if os.environ.get("KUBERNETES_SERVICE_HOST") and (SERVICE_ACCOUNT / "token").exists():
        return open_access(_in_cluster())
    raise LoginError(
        "nothing says where the cluster is: no $KUBECONFIG, no ~/.kube/config, and this is no pod;"
        " name a kubeconfig with --kubeconfig"
    )


def open_access(access: Access) -> Login:
    """Return the login of a context; runs its exec plugin where it has one."""
    server = str(access.cluster["server"]).rstrip("/")
    user = dict(access.user)
    if "auth-provider" in user:
        name = (user["auth-provider"] or {}).get("name")
        raise LoginError(
            f"context {access.context!r} logs in by auth-provider {name!r}, which is not spoken"
            " here; use an exec plugin, such as kubelogin for OIDC"
        )
    if user.get("exec"):
        user |= _run_plugin(access, user["exec"])
    address = urlsplit(server)
    proxy = access.cluster.get("proxy-url") or ""
    if not proxy and not proxy_bypass(address.hostname or ""):
        proxy = getproxies().get(address.scheme, "")
    tls = _build_tls(access, user) if address.scheme == "https" else None
    return Login(server, access.namespace, access, tls, _build_headers(access, user), proxy)


def _find_files(kubeconfig: str | None) -> list[Path]:
    if kubeconfig is not None:
        return [Path(kubeconfig)]
    named = [Path(p) for p in os.environ.get("KUBECONFIG", "").split(os.pathsep) if p]
    # Of several files, kubectl passes over those that are not there.
    return [path for path in named or [Path.home() / ".kube/config"] if path.exists()]


def _read_yaml(path: Path) -> Mapping[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        content = yaml.load(path.read_bytes(), Loader=loader)  # noqa: S506 (a safe one)
    except OSError as error:
        words = f"{path}: {error.strerror}; name a kubeconfig with --kubeconfig"
        raise LoginError(words) from error
    except yaml.YAMLError as error:
        words = f"{path} is no YAML ({' '.join(str(error).split())}); name another kubeconfig"
        raise LoginError(words) from error
    if not isinstance(content, dict):
        raise LoginError(f"{path} holds no kubeconfig; name another with --kubeconfig")
    return content


def _in_cluster() -> Access:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    namespace = (SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    cluster = {
        "server": f"https://{f'[{host}]' if ':' in host else host}:{port}",
        "certificate-authority": str(SERVICE_ACCOUNT / "ca.crt"),
    }
    user = {"tokenFile": str(SERVICE_ACCOUNT / "token")}
    return Access("in this pod", cluster, user, namespace)


def _build_headers(access: Access, user: Mapping[str, Any]) -> dict[str, str]:
    token = user.get("token")
    if not token and user.get("tokenFile"):
        try:
            token = Path(user["tokenFile"]).read_text(encoding="utf-8").strip()
        except OSError as error:
            words = (
                f"context {access.context!r}: {user['tokenFile']}: {error.strerror}; log in anew"
            )
            raise LoginError(words) from error
    if token:
        return {"Authorization": f"Bearer {token}"}
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def _build_tls(access: Access, user: Mapping[str, Any]) -> ssl.SSLContext:
    cluster = access.cluster
    try:
        context = ssl.create_default_context(
            cafile=None if _decode(cluster, "certificate-authority") else _ca_file(cluster),
            cadata=_decode(cluster, "certificate-authority"),
        )
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        _load_client_certificate(context, user)
    except (OSError, ValueError) as error:
        raise LoginError(f"context {access.context!r}: its certificates: {error}") from error
    return context


def _ca_file(cluster: Mapping[str, Any]) -> str | None:
    return cluster.get("certificate-authority") or None


def _decode(entry: Mapping[str, Any], key: str) -> str | None:
    data = entry.get(f"{key}-data")
    return base64.b64decode(data).decode() if data else None


def _load_client_certificate(context: ssl.SSLContext, user: Mapping[str, Any]) -> None:
    certificate, key = _decode(user, "client-certificate"), _decode(user, "client-key")
    if certificate is None and key is None:
        if user.get("client-certificate"):
            context.load_cert_chain(user["client-certificate"], user.get("client-key"))
        return
    # The ssl module reads files only; this one is readable by nobody else, and gone at once.
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, text in (("client-certificate", certificate), ("client-key", key)):
            path = Path(folder) / name
            path.touch(mode=0o600)
            if text is None and not user.get(name):
                raise ValueError(f"there is no {name} beside the other half")
            path.write_text(text if text is not None else Path(user[name]).read_text())
            paths.append(str(path))
        context.load_cert_chain(*paths)


def _run_plugin(access: Access, plugin: Mapping[str, Any]) -> dict[str, Any]:
    """Return token or certificate as an exec plugin gives them.

    Source: Kubernetes, client-go credential plugins, ExecCredential of v1 and v1beta1.
    """
    spec: dict[str, Any] = {"interactive": sys.stdin is not None and sys.stdin.isatty()}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = {"server": access.cluster["server"]}
    request = {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential", "spec": spec}
    extra = {e["name"]: e["value"] for e in plugin.get("env") or []}
    environment = {**os.environ, **extra, "KUBERNETES_EXEC_INFO": json.dumps(request)}
    command = [str(plugin.get("command")), *map(str, plugin.get("args") or [])]
    who = f"context {access.context!r}: the login plugin {command[0]!r}"
    try:
        done = subprocess.run(  # noqa: S603 (the kubeconfig's own, as for kubectl)
            command, env=environment, stdout=subprocess.PIPE, timeout=EXEC_TIMEOUT_S, check=False
        )
        status = json.loads(done.stdout)["status"] if done.returncode == 0 else {}
    except OSError as error:
        hint = plugin.get("installHint") or "install it, or name another context"
        raise LoginError(f"{who} cannot be run ({error.strerror}); {hint}") from error
    except subprocess.TimeoutExpired as error:
        raise LoginError(
            f"{who} took over {EXEC_TIMEOUT_S:.0f} s; log in by hand first"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise LoginError(f"{who} printed no ExecCredential; log in anew") from error
    if done.returncode:
        raise LoginError(f"{who} ended with code {done.returncode}; log in anew")
    encoded = {
        f"{key}-data": base64.b64encode(status[field].encode()).decode()
        for key, field in (
            ("client-certificate", "clientCertificateData"),
            ("client-key", "clientKeyData"),
        )
        if status.get(field)
    }
    return encoded | ({"token": status["token"]} if status.get("token") else {})
