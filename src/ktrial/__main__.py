"""The program: `python -m ktrial`, and the installed command `ktrial`."""

from __future__ import annotations

import sys

from ktrial.cli.entry import enter


def main() -> int:
    """Do what the arguments say; return the exit status."""
    return enter(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
