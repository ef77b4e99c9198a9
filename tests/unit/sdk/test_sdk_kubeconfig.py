"""Which cluster and user a kubeconfig means, and how one logs in there."""

import base64
import json
import os
import stat
from pathlib import Path

import pytest
from efficientnet_operator.sdk.errors import LoginError
from efficientnet_operator.sdk.kubeconfig import choose_access
from efficientnet_operator.sdk.login import log_in

HOME = Path("/home/me/.kube")


def entry(kind, name, **body):
    return {f"{kind}s": [{"name": name, kind: body}]}


def content(*parts, current="x"):
    merged = {"current-context": current}
    for part in parts:
        for key, value in part.items():
            merged[key] = [*merged.get(key, []), *value]
    return merged


CLUSTER = entry("cluster", "c", server="https://one:6443")
USER = entry("user", "u", token="t")
CONTEXT = entry("context", "x", cluster="c", user="u")

GOOD = {
    "one file": ([content(CLUSTER, USER, CONTEXT)], None, ("x", "https://one:6443", "default")),
    "another context": (
        [content(CLUSTER, USER, entry("context", "y", cluster="c", namespace="n"))],
        "y",
        ("y", "https://one:6443", "n"),
    ),
    "the first file wins": (
        [content(CLUSTER, USER, CONTEXT), content(entry("cluster", "c", server="https://two"))],
        None,
        ("x", "https://one:6443", "default"),
    ),
    "parts come from several files": (
        [content(CONTEXT), content(CLUSTER, current=""), content(USER, current="z")],
        None,
        ("x", "https://one:6443", "default"),
    ),
}


@pytest.mark.parametrize("files, context, want", GOOD.values(), ids=GOOD)
def test_access(files, context, want):
    access = choose_access([(HOME / str(i), f) for i, f in enumerate(files)], context)
    assert (access.context, access.cluster["server"], access.namespace) == want


BAD = {
    "no context is current": ([content(CLUSTER, current="")], None, "name one with --context"),
    "there is no such context": ([content(CONTEXT)], "prod", "no context 'prod'; there is x"),
    "its cluster is missing": ([content(USER, CONTEXT)], None, "names the cluster 'c'"),
    "its user is missing": ([content(CLUSTER, CONTEXT)], None, "names the user 'u'"),
    "nothing at all": ([{}], None, "no current context"),
}


@pytest.mark.parametrize("files, context, words", BAD.values(), ids=BAD)
def test_what_is_missing_is_named(files, context, words):
    with pytest.raises(LoginError, match=words):
        choose_access([(HOME / "config", f) for f in files], context)


def test_files_are_looked_for_beside_the_kubeconfig():
    user = entry("user", "u", **{"client-certificate": "me.crt", "client-key": "/etc/me.key"})
    access = choose_access([(HOME / "config", content(CLUSTER, user, CONTEXT))])
    assert access.user == {
        "client-certificate": "/home/me/.kube/me.crt",
        "client-key": "/etc/me.key",
    }


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    def write(user, server="http://127.0.0.1:9"):
        cluster = entry("cluster", "c", server=server)
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(content(cluster, entry("user", "u", **user), CONTEXT)))
        return str(path)

    return write


def plugin(tmp_path, *lines):
    """Return the exec entry of a login plugin with these lines of shell."""
    path = tmp_path / "plugin"
    path.write_text("\n".join(["#!/bin/sh", *lines]))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(path)}}


def credential(**status):
    return f"echo '{json.dumps({'kind': 'ExecCredential', 'status': status})}'"


def test_the_ways_to_log_in(write, tmp_path):
    (tmp_path / "token").write_text("from-file\n")
    basic = base64.b64encode(b"me:pw").decode()
    ways = [
        ({"token": "t"}, "Bearer t"),
        ({"tokenFile": str(tmp_path / "token")}, "Bearer from-file"),
        ({"username": "me", "password": "pw"}, f"Basic {basic}"),  # pragma: allowlist secret
        (plugin(tmp_path, credential(token="fresh")), "Bearer fresh"),
    ]
    for user, want in ways:
        assert log_in(write(user)).headers == {"Authorization": want}
    assert log_in(write({})).headers == {}


def test_a_plugin_is_told_what_it_is_asked_for(write, tmp_path):
    said = tmp_path / "said"
    user = plugin(tmp_path, f'echo "$KUBERNETES_EXEC_INFO $MORE" > {said}', credential(token="t"))
    user["exec"] |= {"env": [{"name": "MORE", "value": "42"}], "provideClusterInfo": True}
    log_in(write(user))
    info, more = said.read_text().rsplit(maxsplit=1)
    assert json.loads(info)["spec"]["cluster"] == {"server": "http://127.0.0.1:9"}
    assert (json.loads(info)["kind"], more) == ("ExecCredential", "42")


REFUSED = {
    "a plugin that is not there": (
        {"exec": {"command": "/no/plugin", "installHint": "install it from us"}},
        r"'/no/plugin' cannot be run \(No such file or directory\); install it from us",
    ),
    "a provider that kubectl knows": (
        {"auth-provider": {"name": "oidc"}},
        "auth-provider 'oidc', which is not spoken here; use an exec plugin",
    ),
    "a token file that is gone": ({"tokenFile": "/no/token"}, "/no/token: No such file"),
}


@pytest.mark.parametrize("user, words", REFUSED.values(), ids=REFUSED)
def test_a_login_that_cannot_be_used(write, user, words):
    with pytest.raises(LoginError, match=words):
        log_in(write(user))


def test_a_plugin_that_fails(write, tmp_path):
    with pytest.raises(LoginError, match="ended with code 3; log in anew"):
        log_in(write(plugin(tmp_path, "exit 3")))
    with pytest.raises(LoginError, match="printed no ExecCredential"):
        log_in(write(plugin(tmp_path, "echo hello")))


def test_certificates_that_are_none(write):
    data = base64.b64encode(b"no").decode()
    half = {"client-certificate-data": data}
    with pytest.raises(LoginError, match="context 'x': its certificates: there is no client-key"):
        log_in(write(half, "https://x"))
    with pytest.raises(LoginError, match="context 'x': its certificates: "):
        log_in(write(half | {"client-key-data": data}, "https://x"))


def test_no_kubeconfig_anywhere(write, tmp_path):
    with pytest.raises(LoginError, match="name a kubeconfig with --kubeconfig"):
        log_in()
    with pytest.raises(LoginError, match=r"none: No such file or directory; name a kubeconfig"):
        log_in(str(tmp_path / "none"))


def test_a_file_that_is_no_kubeconfig(write, tmp_path):
    path = tmp_path / "kubeconfig"
    for text, words in (("{", "is no YAML"), ("- 1", "holds no kubeconfig")):
        path.write_text(text)
        with pytest.raises(LoginError, match=words):
            log_in(str(path))


def test_several_files_of_which_one_is_missing(write, tmp_path, monkeypatch):
    path = write({"token": "t"})
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(tmp_path / "none"), path]))
    assert log_in().server == "http://127.0.0.1:9"


def test_a_proxy_on_the_way(write, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "")
    assert log_in(write({}, "http://far.example")).proxy == "http://proxy:3128"
    monkeypatch.setenv("no_proxy", "far.example")
    assert log_in(write({}, "http://far.example")).proxy == ""
