"""A stand-in for the API server, and a client of each kind that speaks with it."""

import inspect
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from api_stand_in import ApiStandIn, write_kubeconfig
from efficientnet_operator.sdk import AsyncClient, Client


@pytest.fixture
def api():
    with ApiStandIn().serve() as server:
        yield server


@pytest.fixture
def kubeconfig(api, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return str(write_kubeconfig(tmp_path / "kubeconfig", api.url))


@pytest.fixture(params=["blocking", "event loop"])
async def client(request, kubeconfig):
    """Each test runs with both clients; ``get`` and ``collect`` hide the difference."""
    if request.param == "blocking":
        with Client(kubeconfig) as blocking:
            yield blocking
    else:
        async with await AsyncClient.connect(kubeconfig) as looping:
            yield looping


@pytest.fixture
def get():
    async def get(value):
        return await value if inspect.isawaitable(value) else value

    return get


@pytest.fixture
def collect():
    async def collect(items):
        if hasattr(items, "__aiter__"):
            return [item async for item in items]
        return list(items)

    return collect
