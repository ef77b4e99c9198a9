"""``python -m efficientnet_operator``."""

import sys

from efficientnet_operator.cli import main

sys.exit(main())
