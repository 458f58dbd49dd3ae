"""A folder laid out as a CANN toolkit, with the strict fakes of atc and aoe in it."""

from __future__ import annotations

import sys
from pathlib import Path

FAKE = Path(__file__).parents[1] / "fakes" / "server" / "atc.py"


def make_toolkit(folder: Path, version: str = "8.0.RC2") -> Path:
    """`set_env.sh`, `latest/bin/atc` (a wrapper, as the real one) and `latest/version.cfg` in `folder`."""
    bin_folder = folder / "latest/bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "atc").write_text(f'#!/bin/sh\n"{sys.executable}" "{FAKE}" "$@"\nexit $?\n')
    (bin_folder / "atc").chmod(0o755)
    aoe = folder / "latest/tools/aoe/bin/aoe"
    aoe.parent.mkdir(parents=True)
    aoe.write_text(f'#!/bin/sh\n"{sys.executable}" "{FAKE.with_name("aoe.py")}" "$@"\nexit $?\n')
    aoe.chmod(0o755)
    (folder / "latest/version.cfg").write_text(
        f"# version: 1.0\nruntime_running_version=[7.3.0.1.231:{version}]\n"
        f"toolkit_running_version=[7.3.0.1.231:{version}]\n"
    )
    # as the real script: it finds itself by BASH_SOURCE, and minds the arguments that it was sourced with
    (folder / "set_env.sh").write_text(
        'for option in "$@"; do echo "unexpected argument $option"; exit 9; done\n'
        'here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")\n'
        'export PATH="$here/latest/bin:$PATH" PYTHONPATH="$here/python:$PYTHONPATH" FAKE_CANN=sourced\n'
    )
    return folder
