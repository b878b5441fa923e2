"""``python -m zaxy`` and the ``zaxy`` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line, or a client's hook, which has no time for all of it."""
    import sys

    if sys.argv[1:2] == ["hook"] and not {"-h", "--help"}.intersection(sys.argv):
        from zaxy.interfaces.cli import hook_process

        hook_process.main(sys.argv[2:])
    from zaxy.interfaces.cli.app import run

    run()


if __name__ == "__main__":
    main()
