"""How much a pod asks for: its resource requests, summed as the scheduler sums them.

A gang's queue decides by the sum over all members before any pod exists, so it
has to be said in the gang's own object.

Source: Kubernetes' documentation of resource quantities and of init containers:
the larger of the containers' sum and each init container's request counts, a
sidecar counts with the containers, and a missing request is the limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from efficientnet_operator.core.shapes import objects

QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i))?")
SUFFIXES = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {f"{letter}i": 10 * (power + 1) for power, letter in enumerate("KMGTPE")}

Amounts = dict[str, Decimal]


def sum_requests(pod: Mapping[str, Any], count: int) -> dict[str, str]:
    """Return what ``count`` such pods ask for, as quantities by resource name.

    An amount that cannot be read is left out: the API server will refuse the pod and say so.
    """
    total = _request(pod.get("spec") or {})
    return {name: _format(total[name] * count) for name in sorted(total) if total[name]}


def parse_quantity(text: Any) -> Decimal | None:
    """Return the number that a Kubernetes quantity stands for; None for what is none."""
    match = QUANTITY.fullmatch(str(text))
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    if exponent:
        return Decimal(number + exponent)
    if suffix in BINARY:
        return Decimal(number) * Decimal(2 ** BINARY[suffix])
    return Decimal(number).scaleb(SUFFIXES.get(suffix or "", 0))


def _request(spec: Mapping[str, Any]) -> Amounts:
    running = _add(_of_container(c) for c in objects(spec.get("containers")))
    highest: Amounts = {}
    for container in objects(spec.get("initContainers")):
        own = _of_container(container)
        if container.get("restartPolicy") == "Always":
            running = _add([running, own])
        highest = _larger(highest, own)
    return _add([_larger(running, highest), _amounts(spec.get("overhead"))])


def _of_container(container: Mapping[str, Any]) -> Amounts:
    resources = container.get("resources")
    if not isinstance(resources, Mapping):
        return {}
    return _amounts(resources.get("limits")) | _amounts(resources.get("requests"))


def _amounts(quantities: Any) -> Amounts:
    items = quantities.items() if isinstance(quantities, Mapping) else ()
    parsed = {name: parse_quantity(text) for name, text in items}
    return {name: amount for name, amount in parsed.items() if amount is not None}


def _add(parts: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, Decimal(0)) + amount
    return total


def _larger(one: Amounts, other: Amounts) -> Amounts:
    return {n: max(one.get(n, Decimal(0)), other.get(n, Decimal(0))) for n in one | other}


def _format(amount: Decimal) -> str:
    """Return a quantity without exponent: whole units, else thousandths, rounded up."""
    if amount == amount.to_integral_value():
        return str(int(amount))
    return f"{-int(-(amount * 1000) // 1)}m"
