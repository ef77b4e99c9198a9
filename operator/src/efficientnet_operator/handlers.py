"""The shell's entry under kopf: its life cycle and the watch of the jobs.

The only module that imports kopf. Its events carry nothing but "look at this
job": ``on.event`` leaves no finalizer and no annotation on the user's object.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import kopf
from aiohttp.web import AppRunner

from efficientnet_operator.api.names import GROUP, PLURAL, VERSION
from efficientnet_operator.core.job_history import History
from efficientnet_operator.kube.client import KubeClient
from efficientnet_operator.kube.controller import Controller, SelectorError
from efficientnet_operator.kube.health import serve_health
from efficientnet_operator.logs import configure_logging
from efficientnet_operator.settings import Settings


class Pauses:
    """Seconds between two tries to list or watch jobs, without end.

    kopf's own end after eight tries: an outage of the API server that answers with errors would
    end the operator, and one that refuses connections would leave it deaf for 21 s afterwards.
    """

    def __iter__(self) -> Iterator[float]:
        """Return the pauses of one request."""
        return chain((0.2, 0.5, 1.0), repeat(2.0))


def run(settings: Settings) -> None:
    """Run the operator until it is stopped by a signal."""
    if settings.kubeconfig:
        os.environ["KUBECONFIG"] = settings.kubeconfig  # kopf's own login reads it
    configure_logging(settings.log_format, verbose=settings.verbose)
    # kopf tells of each event that it delivers; what became of it is told by the controller.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    kopf.run(
        registry=build_registry(settings),
        standalone=True,
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
    )


def build_registry(settings: Settings) -> kopf.OperatorRegistry:
    """Return the handlers of one operator; the controller lives from startup to cleanup."""
    registry = kopf.OperatorRegistry()
    running: dict[str, Any] = {}

    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False  # the operator posts its own events
        settings.scanning.disabled = True  # kopf starts only once the CRD is there
        settings.watching.server_timeout = 300
        if operator_settings.selector:
            settings.watching.label_selectors[GROUP, PLURAL] = operator_settings.selector
        settings.networking.error_backoffs = Pauses()
        client = await KubeClient.connect(operator_settings.kubeconfig)
        history = History() if operator_settings.ui != "off" else None
        controller = Controller(client, operator_settings, history)
        controller.start()
        running["controller"] = controller
        running["servers"] = await serve(operator_settings, client, controller, history)
        try:
            await controller.wait_for_jobs()
        except SelectorError as error:
            raise kopf.PermanentError(str(error)) from error

    @kopf.on.login(registry=registry)
    def log_in(**arguments: Any) -> kopf.ConnectionInfo | None:
        # The Kubernetes client fixed its own default path at import, so a file that was
        # given is read by kopf.
        if operator_settings.kubeconfig:
            return kopf.login_with_kubeconfig(**arguments)
        # Through the Kubernetes client, which addresses the API server by its Service's IP:
        # kopf's own login wants cluster DNS, which may come up later than we do.
        return kopf.login_via_client(**arguments)

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def look(event: Any, **_: Any) -> None:
        running["controller"].on_job(event["type"], dict(event["object"]))

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        for server in running.get("servers", ()):
            await server.cleanup()
        if "controller" in running:
            await running["controller"].stop()

    operator_settings = settings
    return registry


async def serve(
    settings: Settings, client: KubeClient, controller: Controller, history: History | None
) -> list[AppRunner]:
    """Start what one operator serves; ``cleanup()`` of each stops it.

    Raises:
        kopf.PermanentError: somebody else listens on one of the ports.
    """
    try:
        servers = [
            await serve_health(
                settings.port, controller.find_stall, controller.find_lack, controller.fill_gauges
            )
        ]
        if history:
            # Here, not above: an operator without a page need not load what makes HTML.
            from efficientnet_operator.ui.gate import Gate
            from efficientnet_operator.ui.server import serve_pages

            gate = Gate(client) if settings.ui == "token" else None
            servers.append(await serve_pages(settings.ui_port, controller.jobs, history, gate))
    except OSError as error:
        words = f"{error.strerror}; choose others by --port and --ui-port"
        raise kopf.PermanentError(words) from error
    return servers
