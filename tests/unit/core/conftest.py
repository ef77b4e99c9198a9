"""Makes this folder's builders importable: importlib mode puts no test folder on the path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from hypothesis import settings

# The machine may be busy with a cluster: how long one example takes says nothing.
settings.register_profile("core", deadline=None, max_examples=40)
settings.load_profile("core")
