"""Say how training goes: lines for a log, and a bar below them on a terminal.

Pods and pipes get plain lines.  The bar goes to standard error, the lines to standard
output, so that a script which reads the lines never meets the bar.
"""

import sys
from typing import Any, Optional


class Console:
    """The lines of one training session, and its bar where somebody is watching."""

    def __init__(self, total_steps: int) -> None:
        """Show nothing before ``start``."""
        self._total_steps = total_steps
        self._bar: Optional[Any] = None

    def start(self, step: int) -> None:
        """Show the bar at ``step`` if standard error is a terminal."""
        if not sys.stderr.isatty():
            return
        # Here, not above: no pod and no pipe needs it.
        import tqdm

        self._bar = tqdm.tqdm(
            total=self._total_steps, initial=step, unit="step", dynamic_ncols=True, leave=False
        )

    def show(self, step: int, loss: float, images_per_s: Optional[float]) -> None:
        """Move the bar to ``step``."""
        if self._bar is not None:
            speed = f"{images_per_s:.0f} images/s" if images_per_s else ""
            self._bar.set_postfix_str(f"loss {loss:.3f} {speed}".rstrip(), refresh=False)
            self._bar.update(step - self._bar.n)

    def say(self, line: str) -> None:
        """Print a line, above the bar."""
        if self._bar is None:
            print(line, flush=True)
        else:
            self._bar.write(line)
            sys.stdout.flush()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
