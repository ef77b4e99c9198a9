"""Read what Kueue's ResourceFlavors ask of pods: cluster-wide objects, few, and rarely changed.

Asked for only while an admitted job still needs pods, and believed for a while.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from urllib.parse import quote

import aiohttp

from efficientnet_operator.core.kueue.workload_view import Flavor, parse_flavor
from efficientnet_operator.core.resources import Resource
from efficientnet_operator.kube.client import ApiError, KubeClient

FLAVOR_S = 30.0
"""How long a flavor is believed."""


class FlavorReader:
    """The flavors that were read, and when."""

    def __init__(self) -> None:
        self._flavors: dict[str, tuple[Flavor, float]] = {}

    async def read(
        self, resource: Resource, names: Iterable[str], client: KubeClient
    ) -> tuple[dict[str, Flavor], str]:
        """Return flavors by name, and why one of them is missing; "" where none is.

        Args:
            resource: where flavors live, in the version of the Workload that names them.
            names: wanted.
            client: the connection.
        """
        found: dict[str, Flavor] = {}
        source = ""
        limit = time.monotonic() - FLAVOR_S
        for name in names:
            known = self._flavors.get(name)
            if known is None or known[1] < limit:
                try:
                    # The name comes out of a status: it must not lead to another path.
                    path = resource.path(name=quote(name, safe=""))
                    document = await client.get(path)
                except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                    source = f"it cannot be read ({error or repr(error)})"
                    continue
                known = (parse_flavor(document), time.monotonic())
                self._flavors[name] = known
            found[name] = known[0]
        return found, source
