"""One console in a browser: the process that `serve` starts for each page.

python -m r3d_tui.served --parent PID [--language L] [--ascii] [--no-mouse] [--read-only] -- WORKSPACE
"""

import argparse
import os
import sys
from pathlib import Path

from backends import api
from backends.core.messages import R3dError
from backends.core.processes import die_with_parent
from r3d_tui.lang.words import Words, chosen
from r3d_tui.terminal import tty

DRIVER = "textual.drivers.web_driver:WebDriver"


def main() -> int:
    """Speak to the page through textual-serve's protocol on standard input and output until the page is closed."""
    parser = argparse.ArgumentParser(prog="r3d_tui.served")
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--language")
    parser.add_argument("--ascii", action="store_true")
    parser.add_argument("--no-mouse", action="store_true")
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("workspace", type=Path)
    given = parser.parse_args()
    die_with_parent(given.parent)  # nobody could reach it any more
    os.environ.update(TEXTUAL_DRIVER=DRIVER, COLORTERM="truecolor", TERM="xterm-256color")
    os.environ.pop("COLORFGBG", None)  # of the terminal that the server stands in
    from r3d_tui.app import ConsoleApp

    tty.set_charset(ascii_only=given.ascii)
    words = Words(chosen(given.language))
    try:
        client = api.open_client(api.find_workspace(given.workspace) or given.workspace)
    except R3dError as error:
        sys.stderr.write(f"{words.line(error.line)}\n")
        return error.exit_code
    app = ConsoleApp(client, words=words, read_only=given.read_only, ascii_only=given.ascii, live=True)
    app.run(mouse=not given.no_mouse)
    client.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
