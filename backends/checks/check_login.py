"""Does a run outlive the login session it was begun in? What logind reports of it; nothing where there is no logind.

A detached engine survives a connection that drops, unless logind is set to kill what a user leaves behind
(KillUserProcesses). Then only what runs under the user's own service manager stays, and only where that lingers. The
engine stays in the control group of the shell that it was begun in, so this process's own group shows it.
"""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path

from backends.ascend.npu_smi_calls import run
from backends.core.messages import line
from backends.core.needs import Finding

LIMIT_S = 5.0
ROOT = Path("/")
"""Where the system's files are looked for."""

_NAME = "login session"
_SCOPE = "systemd-run --user --scope --collect r3d-tui"
_DEFAULTS = {"KillUserProcesses": "no", "KillOnlyUsers": "", "KillExcludeUsers": "root"}
_TRUE = frozenset({"yes", "true", "on", "1"})


def login_finding() -> Finding | None:
    """Whether logging out ends a run; None where no logind is running."""
    if not (ROOT / "run/systemd/system").is_dir():
        return None
    user, group = _user(), _group()
    lingering = f"loginctl enable-linger {user}"
    if f"/user@{os.getuid()}.service/" in group:
        if _lingers(user):
            return _met()
        found = line("a run ends with it: the service manager of {user} does not linger", user=user)
        return Finding(_NAME, "warning", found, line("run {command}", command=lingering))
    if not re.search(r"/session-[^/]+\.scope/", group) or not _kills(user):
        return _met()
    found = line("a run ends with it: logind kills what {user} leaves (KillUserProcesses=yes)", user=user)
    if _lingers(user):
        return Finding(_NAME, "warning", found, line("start r3d-tui by {command}", command=_SCOPE))
    hint = line("run {first}, then start r3d-tui by {command}", first=lingering, command=_SCOPE)
    return Finding(_NAME, "warning", found, hint)


def _met() -> Finding:
    return Finding(_NAME, "met", line("a run outlives it"))


def _kills(user: str) -> bool:
    """As logind decides: those excluded never, then those named, or all where none is."""
    manager = {**_DEFAULTS, **_reported("show-session", *_DEFAULTS)}
    if manager["KillUserProcesses"].lower() not in _TRUE:
        return False
    only = manager["KillOnlyUsers"].split()
    return user not in manager["KillExcludeUsers"].split() and (not only or user in only)


def _lingers(user: str) -> bool:
    return _reported("show-user", "Linger", name=user).get("Linger", "").lower() in _TRUE


def _reported(command: str, *properties: str, name: str = "") -> dict[str, str]:
    """Properties as loginctl prints them; none where it cannot be asked. Of `show-session` alone: the manager's."""
    asked = ["loginctl", command, *(f"--property={wanted}" for wanted in properties), *([name] if name else [])]
    answer = run(asked, LIMIT_S)
    if answer.trouble is not None or answer.code:
        return {}
    pairs = (text.partition("=") for text in answer.text.splitlines())
    return {key: value.strip() for key, _, value in pairs if key in properties}


def _group() -> str:
    """The control groups of this process, each with a slash at its end."""
    try:
        rows = (ROOT / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(f"{row}/" for row in rows)


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
