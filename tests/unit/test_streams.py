"""A watch that is left in its middle, of a server that is too busy to say goodbye."""

import asyncio
import gc
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import aclosing

import pytest
from efficientnet_operator.kube.client import KubeClient
from efficientnet_operator.sdk.aio_transport import AioTransport
from efficientnet_operator.sdk.login import log_in
from efficientnet_operator.sdk.requests import Request
from localcluster.certificates import issue, make_authority
from localcluster.kubeconfig import write_kubeconfig

LINE = b'{"type":"BOOKMARK"}\n'
ANSWER = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(LINE), LINE)


@pytest.fixture
def kubeconfig(tmp_path) -> Iterator[str]:
    """Leads to a server that answers one line and then hears nothing."""
    authority = make_authority(tmp_path)
    pair = issue(authority, "server", "server", hosts=["127.0.0.1"])
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pair.certificate, pair.key)
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        with tls.wrap_socket(listener.accept()[0], server_side=True) as connection:
            connection.recv(65536)
            connection.sendall(ANSWER)
            over.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        path = tmp_path / "kubeconfig"
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        write_kubeconfig(path, "busy", url, authority, issue(authority, "admin", "admin"))
        yield str(path)
        over.set()
        thread.join()


async def watch_as_operator(kubeconfig):
    client = await KubeClient.connect(kubeconfig)
    async with aclosing(client.watch("/api/v1/pods", "", "1")) as events:
        assert await anext(events) == {"type": "BOOKMARK"}
    await client.close()


async def watch_by_sdk(kubeconfig):
    transport = AioTransport(log_in(kubeconfig))
    request = Request("GET", "/api/v1/pods", "read", "pods", {"watch": "true"})
    async with aclosing(transport.stream(request)) as lines:
        assert await anext(lines) == LINE
    await transport.close()


@pytest.mark.parametrize("watch", [watch_as_operator, watch_by_sdk])
def test_it_leaves_no_connection_behind(watch, kubeconfig):
    gc.collect()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", ResourceWarning)
        asyncio.run(watch(kubeconfig))
        gc.collect()
    assert [str(w.message) for w in found if w.category is ResourceWarning] == []
