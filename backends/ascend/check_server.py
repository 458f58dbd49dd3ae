"""What an Ascend run needs beyond a CPU's: driver, chips, CANN and its environment, tools, the user's group."""

from __future__ import annotations

import grp
import os
import re
import shutil
from collections.abc import Iterator
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path

from backends.ascend import cann
from backends.ascend.check_ais_bench import ais_bench_findings, spare_findings
from backends.ascend.check_atc_python import atc_python_finding
from backends.ascend.check_versions import cann_finding, driver_is_known, package_findings
from backends.ascend.npu_names import parse_fields
from backends.ascend.npu_smi_calls import call, read_ids, tool
from backends.core.messages import line
from backends.core.needs import Finding
from backends.core.settings import Settings
from backends.core.values import DeviceTable

LIMIT_S = 10.0
LEAST_CHIP_MB = 1024
"""For the model (46.3 million weights, half precision by default), ten clips and CANN itself; not measured."""
GROUP = "HwHiAiUser"
HOMES = (
    "/usr/local/Ascend/ascend-toolkit/latest",
    "/usr/local/Ascend/cann",
    "/usr/local/Ascend/nnrt/latest",
    "~/Ascend/ascend-toolkit/latest",
    "~/Ascend/cann",
)
"""Where CANN is installed by default."""


def ascend_findings(settings: Settings) -> list[Finding]:
    """The rows of an Ascend target."""
    home = cann_home()
    runtime = settings.infer.runtime
    rows = [*_driver(settings), _group(), _environment(home), *_release(home), *_atc(home)]
    if runtime in ("auto", "acl"):
        rows.append(_acl(home))
    rows += ais_bench_findings(settings) if runtime == "ais_bench" else spare_findings(settings)
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
        cause = str(table.error.cause) if table.error else "no chips"
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
        return Finding("driver", "unknown", line("its version is not told"))
    if driver_is_known(version):
        return Finding("driver", "met", line("{version}", version=version))
    hint = line("compare r3d-tui devices with npu-smi info")
    return Finding("driver", "unknown", line("{version}: its npu-smi was never read", version=version), hint)


def _firmware(table: DeviceTable) -> Finding:
    """That of the first NPU, as its board tells; the tool itself says whether it fits the driver."""
    answer = call(("info", "-t", "board", "-i", str(table.chips[0].npu_id)), LIMIT_S)
    fields = parse_fields(answer.text)
    version, fits = (fields.get(name, "").upper() for name in ("Firmware Version", "Compatibility"))
    if fits not in ("", "NA", "OK"):
        hint = line("install driver and firmware of one release, and reboot")
        found = line("{version}; with this driver npu-smi says: {fits}", version=version.lower() or "?", fits=fits)
        return Finding("firmware", "warning", found, hint)
    if version in ("", "NA"):
        return Finding("firmware", "unknown", line("its version is not told"))
    return Finding("firmware", "met", line("{version}", version=version.lower()))


def _chips(table: DeviceTable, wanted: tuple[int, ...] | None) -> Finding:
    names = ", ".join(dict.fromkeys(chip.name or "?" for chip in table.chips))
    found = line("{n} of {names}", n=len(table.chips), names=names)
    known = {chip.device_id for chip in table.chips if chip.device_id is not None}
    absent = sorted(set(wanted or ()) - known) if len(known) == len(table.chips) else []
    if absent:
        hint = line("under [infer] devices, name some of {known}", known=", ".join(map(str, sorted(known))))
        return Finding("chips", "missing", line("no device {ids}", ids=", ".join(map(str, absent))), hint)
    if not known and wanted is None:
        hint = line("name their ids under [infer] devices in r3d.toml, such as [0]: see `ls /dev/davinci*`")
        return Finding(
            "chips",
            "warning",
            line("{n} of {names}: npu-smi does not say their device ids", n=len(table.chips), names=names),
            hint,
        )
    ill = [chip for chip in table.chips if chip.health not in (None, "OK")]
    if ill:
        states = ", ".join(f"NPU {chip.npu_id}: {chip.health}" for chip in ill)
        hint = line("see `npu-smi info -t health -i <id>`; such a chip is not taken unless it is named")
        return Finding("chips", "warning", line("{states}", states=states), hint)
    return Finding("chips", "met", found)


def _memory(table: DeviceTable, wanted: tuple[int, ...] | None) -> Finding:
    """The least free memory of the chips that a run would take; unknown where npu-smi does not say it of all."""
    chips = [chip for chip in table.chips if wanted is None or chip.device_id is None or chip.device_id in wanted]
    free = [
        chip.memory_total_mb - chip.memory_used_mb
        for chip in chips
        if chip.memory_total_mb and chip.memory_used_mb is not None
    ]
    if not chips or len(free) < len(chips):
        return Finding("chip memory", "unknown", line("not told of {n} chips", n=len(chips) - len(free)))
    found = line("{free} MB free on the fullest of {n}", free=min(free), n=len(chips))
    if min(free) < LEAST_CHIP_MB:
        return Finding("chip memory", "warning", found, line("end what runs on the chips: npu-smi info shows it"))
    return Finding("chip memory", "met", found)


def _group() -> Finding:
    try:
        group = grp.getgrnam(GROUP)
    except KeyError:
        return Finding(GROUP, "unknown", line("there is no such group"), line("the driver's installation makes it"))
    if os.geteuid() == 0 or group.gr_gid in (*os.getgroups(), os.getegid()):
        return Finding(GROUP, "met", line("this user is in the group"))
    hint = line("usermod -aG HwHiAiUser <user> and log in again")
    return Finding(GROUP, "warning", line("this user is not in the group"), hint)


def cann_home() -> Path | None:
    """CANN's folder: as the environment says (`set_env.sh` was sourced), else where it is installed by default."""
    named = (os.environ.get(name) for name in ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME"))
    for place in (*named, *HOMES):
        if place and (home := Path(place).expanduser()).is_dir():
            return home
    return None


def set_env(home: Path) -> Path | None:
    """The set_env.sh of a CANN folder, in it or beside it."""
    return next((path for path in (home / "set_env.sh", home.parent / "set_env.sh") if path.is_file()), None)


def cann_version(home: Path) -> str | None:
    """CANN's version as its installation wrote it down."""
    places = ("version.cfg", "version.info", "compiler/version.info", "runtime/version.info")
    infos = [*(home / place for place in places), *sorted(home.glob("*-linux/ascend_*_install.info"))]
    for path in infos:
        if found := cann.read_version(path) or _plain_version(path):
            return found
    return None


def _plain_version(path: Path) -> str | None:
    """A line `Version=8.0.RC2`, in the files of single packages."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")[:65536]
    except OSError:
        return None
    found = re.search(r"^\s*[Vv]ersion\s*=\s*\[?([0-9][^\s\]:]*)", text, re.MULTILINE)
    return found[1] if found else None


def _environment(home: Path | None) -> Finding:
    if home is None:
        hint = line("install CANN, or set ASCEND_HOME_PATH to its folder")
        return Finding("CANN", "missing", line("not found"), hint)
    found = line("{version} in {path}", version=cann_version(home) or "version not told", path=str(home))
    if os.environ.get("ASCEND_HOME_PATH"):
        return Finding("CANN", "met", found)
    script = set_env(home)
    if script is None:
        return Finding("CANN", "warning", found, line("no set_env.sh there: set its environment by hand"))
    told = line("{found}; {script} is sourced where it is needed", found=str(found), script=str(script))
    return Finding("CANN", "met", told)


def _release(home: Path | None) -> Iterator[Finding]:
    """CANN's release beside the guide's, where it is told."""
    version = cann_version(home) if home else None
    if version is not None:
        yield cann_finding(version)


def _atc(home: Path | None) -> Iterator[Finding]:
    inside = home / "bin" / "atc" if home else None
    path = shutil.which("atc") or (str(inside) if inside and inside.is_file() else None)
    if path:
        yield Finding("atc", "met", line("{path}", path=path))
        yield from atc_python_finding(cann_version(home) if home else None)
        return
    yield Finding("atc", "missing", line("not found"), line("install the CANN toolkit, and source its set_env.sh"))


def _acl(home: Path | None) -> Finding:
    if PathFinder.find_spec("acl"):
        return Finding("acl", "met", line("on the module path"))
    inside = home / "python" / "site-packages" / "acl" if home else None
    if home and inside and (inside.exists() or inside.with_suffix(".so").exists()):
        if set_env(home):
            return Finding("acl", "met", line("{path}", path=str(inside)))
        found = line("{path}, not on the module path", path=str(inside))
        return Finding("acl", "warning", found, line("no set_env.sh there: set its environment by hand"))
    return Finding(
        "acl", "missing", line("not found"), line("install CANN (toolkit or nnrt), and source its set_env.sh")
    )


def _package(module: str, package: str) -> Finding:
    if PathFinder.find_spec(module) is None:
        hint = line("pip install {package}, as the guide says", package=package)
        return Finding(module, "missing", line("not installed"), hint)
    for name in (package, module):
        try:
            return Finding(module, "met", line("{version}", version=metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return Finding(module, "met", line("found; its version is not told"))
