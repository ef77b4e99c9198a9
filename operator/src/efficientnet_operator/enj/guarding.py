"""Turn errors into one line and an exit code."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

P = ParamSpec("P")


def guard(command: Callable[P, None]) -> Callable[P, None]:
    """Return a command that ends with a line and a code instead of a traceback."""

    @functools.wraps(command)
    def guarded(*args: P.args, **options: P.kwargs) -> None:
        from efficientnet_operator.enj.exit_codes import INTERRUPTED, USAGE, code_of
        from efficientnet_operator.sdk.errors import EnjError

        try:
            command(*args, **options)
        except EnjError as error:
            fail(str(error), code_of(error))
        except BrokenPipeError:
            raise  # typer ends in silence: the reader has had enough
        except (ValueError, OSError) as error:
            fail(str(error), USAGE)
        except KeyboardInterrupt:
            fail("stopped; the job goes on", INTERRUPTED)

    return guarded


def fail(words: str, code: int) -> None:
    """Say why on standard error, and end with a code."""
    print(f"kubectl enj: {words}", file=sys.stderr)
    raise typer.Exit(code)
