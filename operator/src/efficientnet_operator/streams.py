"""Leave an HTTP answer that never ends, such as a watch."""

import aiohttp


def cut(response: aiohttp.ClientResponse) -> None:
    """Close an answer's connection at once, in whatever state it is.

    ``response.close()`` says goodbye as TLS wants it, and keeps the connection until the server
    has said it too: a busy one does so when the event loop may have ended.
    """
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()
