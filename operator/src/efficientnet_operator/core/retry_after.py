"""Read how long a busy API server asks to be left alone."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRY_AFTER_S = 1.0
"""The pause after a 429 that names none that can be read."""
LONGEST_RETRY_AFTER_S = 30.0


def parse_retry_after(value: str | None, now: datetime) -> float:
    """Return how many seconds an answer asks us to wait: by number, or by date.

    Source: RFC 9110, section 10.2.3. Kubernetes sends numbers; what stands between us and it may
    send anything.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        wait_s = float(text[:9])
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return RETRY_AFTER_S
        wait_s = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    return min(max(wait_s, 0.0), LONGEST_RETRY_AFTER_S)
