"""`python -m tests.hosts up|down`: start the bed and let it stay, for work on one test again and again; or stop it."""

from __future__ import annotations

import sys

from tests.hosts.engine import down, registry, up


def main(argv: list[str]) -> int:
    """Do what `argv` says.

    Returns:
        The exit code.
    """
    if argv == ["up"]:
        made = up()
        for name, value in made.env.items():
            print(f"export {name}={value}")
        print(f"# registry: {registry()}")
    elif argv == ["down"]:
        down()
    else:
        print("usage: python -m tests.hosts up|down", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
