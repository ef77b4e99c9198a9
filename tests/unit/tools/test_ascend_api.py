"""The plugin's requests: a token that is renewed in its file is used from then on."""

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from ascend_sim.api import Api, find_token_file


@pytest.fixture
async def server():
    """An API server that answers with the authorization it was given."""

    async def answer(request):
        return web.json_response({"said": request.headers.get("Authorization")})

    app = web.Application()
    app.router.add_get("/api/v1/nodes/{name}", answer)
    async with TestServer(app) as server:
        yield server


def write_kubeconfig(folder, server, user):
    path = folder / "kubeconfig"
    named = {"name": "dev"}
    content = {
        "clusters": [named | {"cluster": {"server": str(server.make_url("/")).rstrip("/")}}],
        "users": [named | {"user": user}],
        "contexts": [named | {"context": {"cluster": "dev", "user": "dev"}}],
        "current-context": "dev",
    }
    path.write_text(yaml.safe_dump(content))
    return str(path)


async def test_a_renewed_token_is_used_at_once(tmp_path, server):
    token = tmp_path / "token"
    token.write_text("of yesterday\n")
    kubeconfig = write_kubeconfig(tmp_path, server, {"tokenFile": str(token)})
    async with Api(kubeconfig) as api:
        assert await api.get_node("node0") == {"said": "Bearer of yesterday"}
        token.write_text("of today\n")
        assert await api.get_node("node0") == {"said": "Bearer of today"}


async def test_an_identity_without_a_token_file_is_left_as_it_is(tmp_path, server):
    kubeconfig = write_kubeconfig(tmp_path, server, {"token": "fixed"})
    assert find_token_file(kubeconfig) is None
    async with Api(kubeconfig) as api:
        assert await api.get_node("node0") == {"said": "Bearer fixed"}
