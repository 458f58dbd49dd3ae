"""Where CANN is installed and how its environment is entered: one finder for check, run, bench and bundle alike.

An installation is named by the environment, or lies in a usual place: of the system, or of a user's own. Toolkits come
first, since nnrt and nnae have no atc.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from backends.core.errors import NeedError
from backends.core.messages import N_

VARIABLES = ("ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH")
"""What names an installation; a toolkit's own set_env.sh sets both, nnrt's the second one."""
ROOTS = ("/usr/local/Ascend", "/opt/Ascend", "~/Ascend")
KINDS = ("ascend-toolkit", "cann", "nnrt", "nnae")
"""Folders under a root. Each holds `set_env.sh`, and `latest` or the files themselves."""
ENDED_EARLY = "set_env.sh ended with status"
"""Stands in the tool's output, before the status, where `set_env.sh` did not come to its end."""

_VERSION_FILES = (
    "version.cfg",
    "{arch}-linux/ascend_*_install.info",
    "ascend_*_install.info",
    "version.info",
    "compiler/version.info",
    "runtime/version.info",
)
"""Under an installation or its `latest`. CANN 8.5 has the second, older releases the first, nnrt the third."""
_LINES = (
    r"^(?:toolkit|nnrt|nnae)_running_version=\[[^]:]*:([^]]+)\]",
    r"^(?:toolkit|nnrt|nnae)_installed_version=\[[^]:]*:([^]]+)\]",
    r"^\s*version\s*=\s*\[?(\d[\w.]+)",
    r"^(?:runtime|compiler)_running_version=\[[^]:]*:([^]]+)\]",
)
"""How a version is written there: `toolkit_running_version=[7.3.0.1.231:8.0.RC2]`, `version=8.5.0`."""

# What bash is given, always the same: paths and options are its arguments, never part of this text. The script is
# sourced without our arguments, standard input and output, and neither its `set -e` nor its `exit` ends us.
_SOURCE = (
    'r3d_script=$1; shift; r3d_line=("$@"); set --; exec 8<&0 9>&1; '
    'r3d_go() { set +eu; trap - EXIT; exec "${r3d_line[@]}" <&8 >&9 8<&- 9>&-; }; '
    f"trap 'echo \"{ENDED_EARLY} $?\" >&2; r3d_go' EXIT; "
    '. "$r3d_script" >&2 </dev/null || :; r3d_go'
)


class Toolkit(Struct, frozen=True):
    folder: Path
    """The folder that its files are in, such as `/usr/local/Ascend/ascend-toolkit/latest`."""
    set_env: Path | None = None
    """None: the environment has to be there already."""
    version: str | None = None
    """None where no file of it has one."""

    def has(self, *places: str) -> Path | None:
        """The first of these places under the folder that exists."""
        return next((path for place in places if (path := self.folder / place).exists()), None)


def find(environment: Mapping[str, str] | None = None) -> Toolkit | None:
    """The installation that everything uses; None where there is none."""
    return next(named(environment), None) or next(_usual(), None)


def named(environment: Mapping[str, str] | None = None) -> Iterator[Toolkit]:
    """The installations that the environment names, the one that is used first."""
    environment = os.environ if environment is None else environment
    for name in VARIABLES:
        if (value := environment.get(name)) and (found := _installation(Path(value))):
            yield found


def _usual() -> Iterator[Toolkit]:
    for kind in KINDS:
        for root in ROOTS:
            if found := _installation(Path(root).expanduser() / kind):
                yield found


def _installation(place: Path) -> Toolkit | None:
    """That of a folder, which may be the one with `set_env.sh`, its `latest`, or one of a release or processor."""
    script = next((path for home in (place, place.parent) if (path := home / "set_env.sh").is_file()), None)
    root = script.parent if script else place
    # the script of the folder above brings that folder's `latest`, whatever release the variable names
    folder = next((path for path in (root / "latest", place) if path.is_dir()), root)
    version = version_file_of(folder) or version_file_of(root)
    if script is None and version is None:
        return None
    return Toolkit(folder, script, read_version(version) if version else None)


def sourced(found: Toolkit | None, command: Sequence[str]) -> list[str]:
    """The command behind `set_env.sh`; as it is where CANN's environment is there already. NeedError without both."""
    if found is not None and found.set_env is not None:
        return ["bash", "-c", _SOURCE, "bash", str(found.set_env), *command]
    if shutil.which(command[0]) is None:
        text = N_("{tool} not found: neither on PATH nor by a set_env.sh in the usual places")
        hint = N_("install the CANN toolkit, or set ASCEND_TOOLKIT_HOME to the folder that holds its set_env.sh")
        raise NeedError(text, hint=hint, tool=command[0])
    return list(command)


def version_file(environment: Mapping[str, str] | None = None) -> Path | None:
    """The file with CANN's version; its content decides whether an `.om` is still the right one."""
    toolkit = find(environment)
    return version_file_of(toolkit.folder) if toolkit else None


def version_file_of(folder: Path) -> Path | None:
    """The first version file of a folder that has a version."""
    patterns = (name.format(arch=platform.machine()) for name in _VERSION_FILES)
    found = (path for pattern in patterns for path in sorted(folder.glob(pattern)))
    return next((path for path in found if read_version(path)), None)


def read_version(path: Path) -> str | None:
    """The version of a version file: `8.0.RC2`, `5.1.RC2`; None where it holds none."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")[:65536]
    except OSError:
        return None
    found = (re.search(pattern, text, re.MULTILINE | re.IGNORECASE) for pattern in _LINES)
    return next((match.group(1)[:40] for match in found if match), None)
