"""No gang: pods start as the scheduler finds room for each."""

from __future__ import annotations

from efficientnet_operator.core.gang.strategy import Strategy

STRATEGY = Strategy()
