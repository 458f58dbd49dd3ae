"""What an Ascend run needs beyond a CPU's: driver, chips, CANN and its environment, tools, the user's group."""

import grp
import os
import shutil
from collections.abc import Iterator
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path

from backends.ascend import cann
from backends.ascend.cann import find_acl_python
from backends.ascend.check_tools import (
    ais_bench_findings,
    atc_python_findings,
    cann_finding,
    driver_is_known,
    package_findings,
    spare_findings,
)
from backends.ascend.diagnosis import diagnose_run
from backends.ascend.npu_names import parse_fields
from backends.ascend.npu_smi_calls import call, read_ids, tool
from backends.ascend.tune import AOE
from backends.core.messages import line
from backends.core.needs import Finding
from backends.core.settings import Settings
from backends.core.values import DeviceTable

LIMIT_S = 10.0
LEAST_CHIP_MB = 1024
"""For the model (46.3 million weights, half precision by default), ten clips and CANN itself; not measured."""
GROUP = "HwHiAiUser"


def ascend_findings(settings: Settings) -> list[Finding]:
    found, runtime = cann.find(), settings.infer.runtime
    rows = [*_driver(settings), _group(), *_cann(found), *_atc(found, settings), *_aoe(found, settings)]
    tool = list(ais_bench_findings(settings) if runtime == "ais_bench" else spare_findings(settings))
    if runtime in ("auto", "acl"):
        has_tool = any(row.name == "ais_bench" and row.state == "met" for row in tool)
        rows.append(_acl(found, settings.infer.acl_python, other=runtime == "auto" and has_tool))
    rows += tool
    if runtime == "cann":
        rows.append(_package("onnxruntime", "onnxruntime-cann"))
    return [*rows, *package_findings()]


def _driver(settings: Settings) -> Iterator[Finding]:
    path = tool()
    if path is None:
        hint = line("install the Ascend driver, or add /usr/local/sbin and /usr/local/bin to PATH")
        yield Finding("npu-smi", "missing", line("not found"), hint)
        return
    table = read_ids(LIMIT_S)
    if table.error or not table.chips:
        cause = table.error.cause if table.error else line("no chips")
        hint = table.error.fix if table.error else line("see `npu-smi info`")
        yield Finding("npu-smi", "missing", line("{path}: {cause}", path=path, cause=cause), hint)
        return
    yield Finding("npu-smi", "met", line("{path}", path=path))
    version = table.driver_version
    yield _version(version)
    yield _firmware(table)
    yield _chips(table, settings.infer.devices)
    yield _memory(table, settings.infer.devices)


def _version(version: str | None) -> Finding:
    if version is None:
        return Finding("driver", "unknown", line("version not reported"))
    if driver_is_known(version):
        return Finding("driver", "met", line("{version}", version=version))
    hint = line("compare r3d-tui devices with npu-smi info")
    return Finding("driver", "unknown", line("{version}: npu-smi of this release is untested", version=version), hint)


def _firmware(table: DeviceTable) -> Finding:
    """That of the first NPU, as its board reports; the tool itself reports whether it fits the driver."""
    answer = call(("info", "-t", "board", "-i", str(table.chips[0].npu_id)), LIMIT_S)
    fields = parse_fields(answer.text)
    version, fits = (fields.get(name, "").upper() for name in ("Firmware Version", "Compatibility"))
    if fits not in ("", "NA", "OK"):
        hint = line("install driver and firmware of one release, and reboot")
        found = line("{version}; npu-smi reports for this driver: {fits}", version=version.lower() or "?", fits=fits)
        return Finding("firmware", "warning", found, hint)
    if version in ("", "NA"):
        return Finding("firmware", "unknown", line("version not reported"))
    return Finding("firmware", "met", line("{version}", version=version.lower()))


def _chips(table: DeviceTable, wanted: tuple[int, ...] | None) -> Finding:
    names = ", ".join(dict.fromkeys(chip.name or "?" for chip in table.chips))
    found = line("{n} of {names}", n=len(table.chips), names=names)
    known = {chip.device_id for chip in table.chips if chip.device_id is not None}
    absent = sorted(set(wanted or ()) - known) if len(known) == len(table.chips) else []
    if absent:
        hint = line("under [infer] devices, name some of {known}", known=tuple(sorted(known)))
        return Finding("chips", "missing", line("no device {ids}", ids=tuple(absent)), hint)
    if not known and wanted is None:
        hint = line("name their ids under [infer] devices in r3d.toml, such as [0]: see `ls /dev/davinci*`")
        return Finding(
            "chips",
            "warning",
            line("{n} of {names}: npu-smi does not report their device ids", n=len(table.chips), names=names),
            hint,
        )
    ill = [chip for chip in table.chips if chip.health not in (None, "OK")]
    if ill:
        states = ", ".join(f"NPU {chip.npu_id}: {chip.health}" for chip in ill)
        hint = line("see `npu-smi info -t health -i <id>`; such a chip is not taken unless it is named")
        return Finding("chips", "warning", line("{states}", states=states), hint)
    return Finding("chips", "met", found)


def _memory(table: DeviceTable, wanted: tuple[int, ...] | None) -> Finding:
    """The least free memory of the chips that a run would take; unknown where npu-smi does not report it of all."""
    chips = [chip for chip in table.chips if wanted is None or chip.device_id is None or chip.device_id in wanted]
    free = [
        chip.memory_total_mb - chip.memory_used_mb
        for chip in chips
        if chip.memory_total_mb and chip.memory_used_mb is not None
    ]
    if not chips or len(free) < len(chips):
        return Finding("chip memory", "unknown", line("chips without a reading: {n}", n=len(chips) - len(free)))
    found = line("{free} MB free on the fullest of {n}", free=min(free), n=len(chips))
    if min(free) < LEAST_CHIP_MB:
        return Finding("chip memory", "warning", found, line("end what runs on the chips: npu-smi info shows it"))
    return Finding("chip memory", "met", found)


def _group() -> Finding:
    try:
        group = grp.getgrnam(GROUP)
    except KeyError:
        return Finding(GROUP, "unknown", line("the group does not exist"), line("the driver's installation makes it"))
    if os.geteuid() == 0 or group.gr_gid in (*os.getgroups(), os.getegid()):
        return Finding(GROUP, "met", line("this user is in the group"))
    hint = line("usermod -aG HwHiAiUser <user> and log in again")
    return Finding(GROUP, "warning", line("this user is not in the group"), hint)


def _cann(found: cann.Toolkit | None) -> Iterator[Finding]:
    """The installation that a run uses, others that the environment names, and its release beside the guide's."""
    if found is None:
        hint = line("install CANN, or set ASCEND_TOOLKIT_HOME to the folder that holds its set_env.sh")
        yield Finding("CANN", "missing", line("not found"), hint)
        return
    facts = {"version": found.version or "?", "path": str(found.folder)}
    if found.set_env is not None:
        yield Finding("CANN", "met", line("{version} in {path}; its set_env.sh is sourced where needed", **facts))
    else:
        hint = line("no set_env.sh there: set its environment before r3d-tui starts")
        yield Finding("CANN", "warning", line("{version} in {path}", **facts), hint)
    if others := sorted({str(other.folder) for other in cann.named()} - {str(found.folder)}):
        hint = line("unset one of ASCEND_TOOLKIT_HOME and ASCEND_HOME_PATH")
        text = line("the environment also names {path}, which is not used", path=", ".join(others))
        yield Finding("CANN, another", "warning", text, hint)
    if found.version is not None:
        yield cann_finding(found.version)


def _aoe(found: cann.Toolkit | None, settings: Settings) -> Iterator[Finding]:
    """Only where tuning is asked for."""
    if settings.compile.tune == "off":
        return
    if path := (found and found.has(*AOE)) or shutil.which("aoe"):
        yield Finding("aoe", "met", line("{path}", path=str(path)))
    else:
        hint = line("install the whole CANN toolkit, or set compile.tune to off")
        yield Finding("aoe", "missing", line("not found"), hint)


def _atc(found: cann.Toolkit | None, settings: Settings) -> Iterator[Finding]:
    inside = found.has("bin/atc", "atc/bin/atc", "compiler/bin/atc") if found else None
    if path := shutil.which("atc") or inside:
        yield Finding("atc", "met", line("{path}", path=str(path)))
        yield from atc_python_findings(found.version if found else None)
        return
    if settings.model.om is not None or settings.infer.runtime == "cann":
        yield Finding("atc", "unknown", line("not found, and not needed: nothing is compiled by it"))
        return
    hint = line("install the CANN toolkit (nnrt and nnae have no atc), and source its set_env.sh")
    yield Finding("atc", "missing", line("not found"), hint)


def _acl(found: cann.Toolkit | None, given: Path | None, *, other: bool) -> Finding:
    """Where pyACL imports, by importing it as a run does; `other`: ais_bench takes its place."""
    result = find_acl_python(given, found)
    if result.python is not None:
        facts = {"python": result.version, "path": str(result.python), "soc": result.soc_name or "?"}
        return Finding("acl", "met", line("imports in Python {python} ({path}); chip {soc}", **facts))
    failure = diagnose_run(1, result.output)
    if other:
        text = line("{cause}; ais_bench is used instead", cause=failure.reason)
        return Finding("acl", "warning", text, failure.fix)
    return Finding("acl", "missing", failure.reason, failure.fix)


def _package(module: str, package: str) -> Finding:
    if PathFinder.find_spec(module) is None:
        hint = line("pip install {package}, as the guide says", package=package)
        return Finding(module, "missing", line("not installed"), hint)
    for name in (package, module):
        try:
            return Finding(module, "met", line("{version}", version=metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return Finding(module, "met", line("found; version not reported"))
