"""``python3 -m cutter``."""

import sys

from cutter.cli import main

if __name__ == "__main__":
    sys.exit(main())
