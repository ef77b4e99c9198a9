"""The SDK and the commands are light to import, and the examples in their docstrings hold."""

import doctest
import importlib
import subprocess
import sys

import pytest

HEAVY = {"aiohttp", "cel", "kopf", "kubernetes", "prometheus_client", "pydantic", "rich", "yaml"}

LIGHT = {
    "efficientnet_operator.sdk": HEAVY | {"ssl", "asyncio"},
    "efficientnet_operator.sdk.client": HEAVY | {"asyncio"},
    "efficientnet_operator.sdk.building": {"kopf", "kubernetes", "prometheus_client", "aiohttp"},
    "efficientnet_operator.sdk.aio": HEAVY - {"aiohttp", "yaml"},
    "efficientnet_operator.enj.main": HEAVY | {"ssl", "asyncio"},
}


@pytest.mark.parametrize("module, unwanted", LIGHT.items(), ids=LIGHT)
def test_imports_are_light(module, unwanted):
    code = f"import sys, {module}; print(*(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not unwanted & set(done.stdout.split())


EXAMPLES = ("sdk", "sdk.building", "sdk.columns", "enj.status_view", "enj.values")


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_hold(name):
    module = importlib.import_module(f"efficientnet_operator.{name}")
    outcome = doctest.testmod(module)
    assert outcome.attempted
    assert not outcome.failed


def test_names_that_there_are_not():
    sdk = importlib.import_module("efficientnet_operator.sdk")
    assert all(getattr(sdk, name) for name in sdk.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Cluster'"):
        sdk.Cluster  # noqa: B018
