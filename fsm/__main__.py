"""`python -m fsm`: the same as the command `fsm`."""

import sys

from fsm.cli import main

sys.exit(main())
