"""How the client reaches the API server: through the environment's proxy where one is set."""

import pytest
import yaml
from aiohttp import web
from efficientnet_operator.kube.client import KubeClient


@pytest.fixture
async def proxy():
    """A proxy that answers itself; gives its URL and the URLs that it was asked for."""
    asked = []

    async def answer(request):
        asked.append(request.raw_path)
        return web.json_response({"kind": "Namespace"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", asked
    await runner.cleanup()


@pytest.fixture
def connect(tmp_path):
    """Return a client of a server, by a kubeconfig."""

    def connect(server):
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(content))
        return KubeClient.connect(str(path))

    return connect


async def test_the_environments_proxy_is_used(proxy, connect, monkeypatch):
    url, asked = proxy
    monkeypatch.setenv("http_proxy", url)
    monkeypatch.setenv("no_proxy", "")
    client = await connect("http://api.example")
    assert await client.get("/api/v1/namespaces/a") == {"kind": "Namespace"}
    await client.close()
    assert asked == ["http://api.example/api/v1/namespaces/a"]


async def test_a_server_that_the_environment_excepts_is_asked_directly(
    proxy, connect, monkeypatch
):
    url, asked = proxy
    monkeypatch.setenv("http_proxy", "http://proxy.invalid")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    client = await connect(url)
    await client.get("/version")
    await client.close()
    assert asked == ["/version"]
