"""Where CANN's toolkit is on this machine: its `set_env.sh`, its version. It refuses to run anything of it."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from backends.core.errors import NeedError
from backends.core.frozen import dataclass

USUAL = (
    "/usr/local/Ascend/ascend-toolkit",
    "/usr/local/Ascend/cann",
    "~/Ascend/ascend-toolkit",
    "~/Ascend/cann",
    "/opt/Ascend/ascend-toolkit",
)
"""Folders that hold `set_env.sh` after an installation as root, as a user, and in the images."""

_VERSION_FILES = ("version.cfg", "{arch}-linux/ascend_toolkit_install.info", "version.info")
"""Under the toolkit's folder or its `latest`. CANN 8.5 has the second, older releases the first."""

_LINES = (
    r"^toolkit_running_version=\[[^]:]*:([^]]+)\]",
    r"^toolkit_installed_version=\[[^]:]*:([^]]+)\]",
    r"^version=(\d[\w.]+)",
)
"""How a version stands there: `toolkit_running_version=[7.3.0.1.231:8.0.RC2]`, `version=8.5.0`."""


_SOURCE = 'script=$1; shift; command=("$@"); set --; . "$script"; exec "${command[@]}"'
"""What bash is given, always the same: the paths and options are its arguments, never part of this text. The script is
sourced without arguments of ours, for that one process."""


@dataclass(frozen=True, slots=True)
class Toolkit:
    """An installation; `version` is None where no file of it says."""

    folder: Path
    set_env: Path
    version: str | None = None


def folders(environment: Mapping[str, str] | None = None) -> Iterator[Path]:
    """Where to look, best first. `ASCEND_TOOLKIT_HOME` may name the `latest` or architecture folder: its parent too."""
    environment = os.environ if environment is None else environment
    for name in ("ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH"):
        if value := environment.get(name):
            yield Path(value)
            yield Path(value).parent
    for usual in USUAL:
        yield Path(usual).expanduser()


def find(environment: Mapping[str, str] | None = None) -> Toolkit | None:
    """The first installation that has a `set_env.sh`; None where there is none."""
    for folder in folders(environment):
        script = folder / "set_env.sh"
        if script.is_file():
            said = _version_file(folder)
            return Toolkit(folder, script, read_version(said) if said else None)
    return None


def sourced(found: Toolkit | None, command: Sequence[str]) -> list[str]:
    """The command behind `set_env.sh`; as it is where CANN's environment is there already. NeedError without both."""
    if found is not None:
        return ["bash", "-c", _SOURCE, "bash", str(found.set_env), *command]
    if shutil.which(command[0]) is None:
        text = "{tool} is not here: neither on PATH nor a set_env.sh in the usual places"
        hint = "install the CANN toolkit, or set ASCEND_TOOLKIT_HOME to the folder that holds its set_env.sh"
        raise NeedError(text, hint=hint, tool=command[0])
    return list(command)


def version_file(environment: Mapping[str, str] | None = None) -> Path | None:
    """The file that says which CANN this is; its content decides whether an `.om` is still the right one."""
    toolkit = find(environment)
    return _version_file(toolkit.folder) if toolkit else None


def read_version(path: Path) -> str | None:
    """The version of a version file: `8.0.RC2`, `5.1.RC2`; None where it holds none."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")[:65536]
    except OSError:
        return None
    found = (re.search(pattern, text, re.MULTILINE | re.IGNORECASE) for pattern in _LINES)
    return next((match.group(1)[:40] for match in found if match), None)


def _version_file(folder: Path) -> Path | None:
    names = [name.format(arch=platform.machine()) for name in _VERSION_FILES]
    places = (root / name for name in names for root in (folder, folder / "latest"))
    return next((path for path in places if path.is_file()), None)
