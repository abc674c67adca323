"""The program: `python -m ktrial`, and the installed command `ktrial`."""

from __future__ import annotations

import sys

from ktrial import __version__
from ktrial.cli import develop
from ktrial.errors import KtrialError


def main() -> int:
    """Do what the arguments say; return the exit status."""
    commands = {"test": develop.test, "lint": develop.lint, "bench": develop.bench}
    name, *rest = sys.argv[1:] or ["--version"]
    try:
        if name in commands:
            return commands[name](rest)
        print(f"ktrial {__version__}")
    except KtrialError as problem:
        sys.stderr.write(f"ktrial: {problem}\n")
        return problem.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
