"""The check stage: what a run needs, each with what was found and the fix. It looks; it imports and installs nothing.

A need of conversion alone (torch, onnx) never blocks here: its artifacts may be there from earlier, and the stage
itself reports the same where it has to run.
"""

import os
import platform
import pwd
import re
import resource
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

from backends.ascend import npu_smi_calls
from backends.ascend.check_server import ascend_findings
from backends.checks.check_disk import disk_finding, file_system_finding
from backends.checks.check_spec import CheckParams, StageNeeds, stage_needs
from backends.core.codec import decode, dumps
from backends.core.events import Outcome
from backends.core.files import write_whole
from backends.core.messages import N_, InputError, Line, NeedError, line
from backends.core.needs import Finding, Need, missing
from backends.core.plan import Stage
from backends.core.settings import Settings
from backends.data.dataset_checks import NAMES as DATASET_ROWS
from backends.data.dataset_checks import dataset_findings
from backends.models.model_checks import NAMES as MODEL_ROWS
from backends.models.model_checks import model_findings
from backends.monitor import cpu_groups
from backends.worker.job import Job

OLDEST = (3, 10)
CONVERSION = frozenset({"export", "simplify", "compile", "verify"})
"""Stages whose artifacts may come from the cache or from another machine."""
LEAST_MEMORY_MB = 2048
"""Below this the export of depth 50 (2.5 GB peak while tracing; less as we write it) and wide batches get tight."""
LEAST_FILES = 1024
CONTRADICTIONS = frozenset((*DATASET_ROWS, *MODEL_ROWS))
"""Rows that say what no run gets past."""
_PACKAGES = {"PIL": "pillow", "cv2": "opencv-python-headless", "yaml": "PyYAML"}
"""Packages that are not called as their modules, where a need does not name it."""


def run(job: Job) -> Outcome:
    """Stage `check`: findings.json. NeedError, naming all of them, where the plan cannot do without what is missing."""
    params = decode(CheckParams, dict(job.params))
    findings = findings_for(params.settings, job.workspace, params.stages)
    write_whole(job.out / "findings.json", dumps(findings).encode("ascii"))
    for finding in findings:
        if finding.state in ("missing", "warning"):
            text = line("{name}: {found} ({hint})", name=finding.name, found=finding.found, hint=finding.hint)
            job.note(text, "warning" if finding.state == "warning" else "error")
    for finding in findings:
        if finding.state == "missing" and finding.name in CONTRADICTIONS:  # no need: see to it first
            raise InputError("{found}", hint="{fix}", found=finding.found, fix=finding.hint)
    blocking = [finding for finding in findings if finding.state == "missing" and _blocks(finding, params)]
    if blocking:
        raise NeedError(
            "missing: {names}",
            hint="{hints}",
            names=tuple(finding.name for finding in blocking),
            hints=tuple({str(finding.hint): finding.hint for finding in blocking}.values()),
        )
    counts = {state: sum(f.state == state for f in findings) for state in ("met", "warning", "missing")}
    figures = {"met": counts["met"], "warnings": counts["warning"], "missing": counts["missing"]}
    return Outcome(figures=figures, outputs={"findings": "findings.json"}, digest="checked")


def diagnose(settings: Settings, workspace: Path, stages: Sequence[Stage] = ()) -> tuple[Finding, ...]:
    """The same table for `doctor`; `stages` are the plan's, whose needs are looked for too."""
    return findings_for(settings, workspace, stage_needs(stages))


def findings_for(settings: Settings, workspace: Path, stages: Sequence[StageNeeds]) -> tuple[Finding, ...]:
    rows = [_python(), *_needs(stages), _cores(), _memory(), _files()]
    rows += [file_system_finding(workspace), disk_finding(settings, workspace)]
    rows += filter(None, (login_finding(),))
    rows += dataset_findings(settings)
    rows += model_findings(settings)
    if settings.infer.target == "ascend":
        rows += ascend_findings(settings)
    return tuple(rows)


def _blocks(finding: Finding, params: CheckParams) -> bool:
    """Whether the plan cannot go on without it: all but modules and tools that conversion alone asks for."""
    users = {entry.stage for entry in params.stages if any(need.name == finding.name for need in entry.needs)}
    if finding.name == "atc":
        return False
    return not users or not users <= CONVERSION


def _python() -> Finding:
    found = line("{version} ({path})", version=platform.python_version(), path=sys.executable)
    if sys.version_info[:2] < OLDEST:
        return Finding("Python", "missing", found, line("use Python 3.10 or later"))
    return Finding("Python", "met", found)


def _needs(stages: Iterable[StageNeeds]) -> Iterator[Finding]:
    """One row a module, with the stages that need it."""
    users: dict[str, tuple[Need, list[str]]] = {}
    for entry in stages:
        for need in entry.needs:
            users.setdefault(need.name, (need, []))[1].append(entry.stage)
    for need, names in users.values():
        if missing((need,)):
            found = line("not installed; needed by {stages}", stages=tuple(names))
            yield Finding(need.name, "missing", found, need.hint)
        else:
            yield Finding(need.name, "met", _version(need))


def _version(need: Need) -> Line:
    package = str(need.hint.facts.get("package") or _PACKAGES.get(need.name, need.name))
    for name in dict.fromkeys((package.partition("=")[0].partition("[")[0], _PACKAGES.get(need.name, need.name))):
        try:
            return line("{version}", version=metadata.version(name))
        except metadata.PackageNotFoundError:
            continue
    return line("found; version not reported")


def _cores() -> Finding:
    cores = cpu_groups.cpu_devices()[0].cores
    return Finding("CPU", "met", line("{n} cores, {model}", n=len(cores), model=cpu_groups.processor()))


def _memory() -> Finding:
    used, total = cpu_groups.memory_mb()
    if used is None or total is None:
        return Finding("memory", "unknown", line("not reported by this system"))
    found = line("{free} MB free of {total} MB", free=total - used, total=total)
    if total - used < LEAST_MEMORY_MB:
        return Finding("memory", "warning", found, line("close other programs, or use fewer workers"))
    return Finding("memory", "met", found)


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = line("{n} files at once", n="unlimited" if soft == resource.RLIM_INFINITY else soft)
    if soft != resource.RLIM_INFINITY and soft < LEAST_FILES:
        if hard == resource.RLIM_INFINITY or hard > soft:
            most = LEAST_FILES if hard == resource.RLIM_INFINITY else min(hard, LEAST_FILES)
            return Finding("open files", "warning", found, line("ulimit -n {n}", n=most))
        text = N_(
            "raise the hard limit: nofile in /etc/security/limits.conf, LimitNOFILE of systemd, or docker --ulimit"
        )
        return Finding("open files", "warning", found, line(text))
    return Finding("open files", "met", found)


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
    answer = npu_smi_calls.run(asked, LIMIT_S)
    if answer.failure is not None or answer.code:
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
