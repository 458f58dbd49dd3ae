"""The entry: the console by the shortest way, everything else by the command line. It does neither itself.

Half of the console's start went into building commands that it does not have; so where only the console is asked for,
its few options are read here. `r3d_tui.cli` names the same ones for `--help`, and a test compares the two.
"""

import gc
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

FLAGS: dict[str, tuple[str, bool]] = {
    "--ascii": ("ascii_only", True),
    "--no-mouse": ("mouse", False),
    "--read-only": ("read_only", True),
}
VALUED = {"--workspace": "workspace", "-w": "workspace", "--language": "language"}
LOCALE = Path(__file__).with_name("locale")
"""A folder for each language."""


def console_options(arguments: Sequence[str]) -> dict[str, Any] | None:
    """The console's options by name; None where anything else is asked for, or asked for in another way."""
    found: dict[str, Any] = {}
    left = list(arguments)
    while left:
        name, equals, value = left.pop(0).partition("=")
        if name in FLAGS and not equals:
            found[FLAGS[name][0]] = FLAGS[name][1]
        elif name in VALUED and (equals or left) and name.startswith("--" if equals else "-"):
            found[VALUED[name]] = value if equals else left.pop(0)
        else:
            return None
    return found if (LOCALE / found.get("language", "en").lower()[:2]).is_dir() else None


def main() -> None:
    os.umask(os.umask(0o077) | 0o002)  # nothing that we make is writable for others
    work: list[Callable[[], object]] = []
    completing = "_R3D_TUI_COMPLETE" in os.environ
    options = None if completing else console_options(sys.argv[1:])
    if options is not None:
        gc.disable()  # start-up makes much and drops nothing; the board turns it on again with the first snapshot
        from r3d_tui.console import opened

        folder = options.pop("workspace", None)
        console = opened(Path(folder) if folder else None, **options)
        if console is not None:
            try:
                sys.exit(console())
            except Exception as error:  # noqa: BLE001 - the command line words it
                work = [partial(_again, error)]
        gc.enable()
    from r3d_tui.cli import main as command_line

    command_line(*work)


def _again(error: Exception) -> None:
    raise error


if __name__ == "__main__":
    main()
