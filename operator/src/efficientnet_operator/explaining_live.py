"""``efficientnet-operator explain job/NAME``: say what a live job waits for, and what comes next.

The job is read by the operator's own ``observe`` and goes through the same
``reconcile``; the plan is told and never carried out.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Literal

import aiohttp
from kubernetes.aio.config import ConfigException
from pydantic import ValidationError

from efficientnet_operator.core.explanation import explain_plan, plan_as_data
from efficientnet_operator.core.reconcile import reconcile
from efficientnet_operator.core.view import View
from efficientnet_operator.explaining import dump_yaml
from efficientnet_operator.kube.client import ApiError, KubeClient
from efficientnet_operator.kube.inspecting import find_namespace, inspect

Form = Literal["text", "yaml", "json"]


def explain_live(
    name: str, namespace: str | None = None, kubeconfig: str | None = None, form: Form = "text"
) -> str:
    """Return what the operator would do about a job now; nothing is written.

    Args:
        name: of the job.
        namespace: where it is; None is that of the kubeconfig's current context.
        kubeconfig: file that says how to reach the cluster; None is the default.
        form: in words, or the plan as data.

    Raises:
        ValueError: there is no such job, or the cluster does not tell; the message says which.
    """
    namespace = namespace or find_namespace(kubeconfig)
    where = f"EfficientNetJob {namespace}/{name}"
    try:
        view = asyncio.run(_inspect(name, namespace, kubeconfig))
    except ConfigException as error:
        raise ValueError(f"{error}; name a kubeconfig with --kubeconfig") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        words = str(error) or "no answer in time"
        raise ValueError(f"the API server cannot be reached: {words}") from error
    except ApiError as error:
        raise ValueError(f"{where} cannot be read: {error}") from error
    except ValidationError as error:
        raise ValueError(f"{where} is not a job that this version can read: {error}") from error
    if view is None:
        raise ValueError(f"{where} does not exist; name its namespace with -n")
    now = datetime.now(UTC)
    plan = reconcile(view, now)
    if form == "text":
        return explain_plan(view, plan, now)
    data = plan_as_data(view, plan)
    return json.dumps(data, indent=2) + "\n" if form == "json" else dump_yaml(data)


async def _inspect(name: str, namespace: str, kubeconfig: str | None) -> View | None:
    client = await KubeClient.connect(kubeconfig)
    try:
        return await inspect(client, namespace, name)
    finally:
        await client.close()
