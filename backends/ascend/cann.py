"""Where CANN is installed and how its environment is entered: one finder for check, run, bench and bundle alike.

An installation is named by the environment, or lies in a usual place: of the system, or of a user's own. Toolkits come
first, since nnrt and nnae have no atc. And which Python imports `acl`: ours, or the one that CANN was made for, found
by importing it there, for `acl.so` carries no version tag. The process of a device runs under what is found.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from backends.core.messages import N_, NeedError
from backends.core.processes import foreign_environment
from backends.worker.tools import plain

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


OTHERS = ("python3", *(f"python3.{minor}" for minor in range(7, 14)))
"""Looked for on PATH after ours, behind `set_env.sh` where there is one."""
LIMIT_S = 30.0
"""For one import: it loads CANN's libraries, and a faulty driver may hang it."""
_ASK = """
import sys, numpy, acl
name = getattr(acl, "get_soc_name", str)()
print("\\nr3d", sys.version.split()[0], name or "-", sys.executable)
"""
"""CANN before 5.1 has no `get_soc_name`."""


class AclPython(Struct, frozen=True):
    """Where `acl` imports."""

    python: Path | None
    """None: nowhere."""
    version: str = ""
    """Of that Python."""
    soc_name: str = ""
    """Of the chips, such as Ascend310P3; empty where CANN does not name them."""
    output: str = ""
    """Of the first Python that refused, what it printed."""

    @property
    def reason(self) -> str:
        rows = [row for row in map(plain, self.output.splitlines()) if row]
        return rows[-1][:300] if rows else ""

    @property
    def is_ours(self) -> bool:
        return self.python == Path(sys.executable)


def find_acl_python(given: Path | None, toolkit: Toolkit | None, limit_s: float = LIMIT_S) -> AclPython:
    """The Python that was given, else ours, else the first on PATH that imports `acl` and NumPy."""
    tried = (import_acl(one, toolkit, limit_s) for one in ([str(given)] if given is not None else _candidates()))
    refused: list[AclPython] = []
    for answer in tried:
        if answer.python is not None:
            return answer
        refused.append(answer)
    return refused[0]


def _candidates() -> Iterator[str]:
    yield sys.executable
    seen = {os.path.realpath(sys.executable)}
    for name in OTHERS:
        path = shutil.which(name)
        if path is not None and os.path.realpath(path) not in seen:
            seen.add(os.path.realpath(path))
            yield path


def import_acl(python: str, toolkit: Toolkit | None, limit_s: float = LIMIT_S) -> AclPython:
    """Import it for real, in a process of its own: it may hang or crash, and nothing that has imported it may fork."""
    environment = None if python == sys.executable else foreign_environment()
    try:
        command = sourced(toolkit, [python, "-c", _ASK])
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit_s,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return AclPython(None, output=f"import acl: no end in {limit_s:.0f} s")
    except OSError as error:
        return AclPython(None, output=f"{python}: {error.strerror or error}")
    text = done.stdout.decode("utf-8", "replace")
    found = next((row.split(None, 3)[1:] for row in text.splitlines() if row.startswith("r3d ")), [])
    if done.returncode != 0 or len(found) != 3:
        return AclPython(None, output=text.strip() or f"exit status {done.returncode}")
    version, name, path = found
    return AclPython(Path(sys.executable if python == sys.executable else path), version, name.strip("-"))
