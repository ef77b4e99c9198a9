"""The one error that people see: what was found, what was wanted, the way out.

Standard library only and valid on Python 3.9, because ``check`` raises it
before anything is installed.
"""


class ClusterError(Exception):
    """A cluster can not do what was asked; the message says what to do."""
