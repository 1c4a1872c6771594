"""Lets `python -m answerable` run the command line."""

import sys

from answerable.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
