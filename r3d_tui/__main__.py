"""The entry: the console by the shortest way, everything else by the command line. It does neither itself."""

from __future__ import annotations


def main() -> None:
    """Run the command."""
    from r3d_tui.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
