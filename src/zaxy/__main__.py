"""``python -m zaxy`` and the ``zaxy`` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from zaxy.interfaces.cli.app import run

    run()


if __name__ == "__main__":
    main()
