"""What each server of a cluster is, asked without any work: `r3d-tui cluster` and `doctor --cluster`."""

import contextlib
import time
from pathlib import Path

from backends.cluster.carrier import Carrier
from backends.cluster.cluster_run import differs, make_carrier
from backends.cluster.shard_protocol import Hello, ModelFile, ServerSetup, WireError, WireReader, to_frame
from backends.core.command_reports import ServerReport
from backends.core.messages import N_, InputError, Line, line
from backends.core.needs import Finding
from backends.core.settings import VIDEO_SUFFIXES, Settings
from backends.data.data_specs import PreprocessParams

LIMIT_S = 60.0
"""For all of them together: npu-smi takes seconds for many chips."""


def ask_servers(settings: Settings, workspace: Path) -> tuple[ServerReport, ...]:
    """Every server by name, and why it could not take part. Errors as of `make_carrier` and its `servers`."""
    if not settings.cluster.address:
        hint = N_("set cluster.address in r3d.toml, or give --cluster auto, HOST:PORT or local:3")
        raise InputError("no cluster is named", hint=hint)
    carrier = make_carrier(settings.cluster, workspace)
    try:
        names = carrier.servers()
        hellos = _hellos(carrier, names, _setup(settings))
    finally:
        carrier.close()
    sample, soc_version = _sample(settings), settings.compile.soc_version or ""
    here = {name: one for name, one in hellos.items() if one is not None}
    reasons = {name: differs(one, None, sample, soc_version) for name, one in here.items()}
    reference = next((here[name] for name, reason in reasons.items() if reason is None), None)
    reasons = {name: reason or differs(here[name], reference, sample) for name, reason in reasons.items()}
    return tuple(_report(name, hellos[name], reasons.get(name)) for name in names)


def server_findings(reports: tuple[ServerReport, ...]) -> tuple[Finding, ...]:
    """One row a server, as the check stage has them."""
    rows = []
    for one in reports:
        text = N_("r3d-tui {version}, {runtime}, {devices}, {free} MB free in cluster.scratch")
        devices = line("{n} cores", n=one.cores)
        if one.chips is not None:
            devices = line("{n} × {soc}", n=one.chips, soc=one.soc_version or "?")
        found = line(text, version=one.version, runtime=one.runtime, devices=devices, free=one.free_mb)
        if one.reason.template:
            rows.append(Finding(one.name, "missing", one.reason))
        else:
            rows.append(Finding(one.name, "met", found))
    return tuple(rows)


def _setup(settings: Settings) -> ServerSetup:
    infer, no_model = settings.infer, ModelFile(Path("no-model"), 0, "")
    return ServerSetup(
        "",
        PreprocessParams(),
        no_model,
        infer.target,
        infer.runtime,
        infer.batch,
        settings.cluster.scratch,
        _sample(settings),
        infer.devices,
        acl_python=infer.acl_python,
    )


def _sample(settings: Settings) -> Path:
    """A video, or its folder of frames, that every server must see; the folder itself where it holds none."""
    if (frames := settings.dataset.frames) is not None:
        return next(frames.glob("*/*"), frames)
    folder = settings.dataset.videos or Path("/")
    found = (path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    return next(found, folder)


def _hellos(carrier: Carrier, names: tuple[str, ...], setup: ServerSetup) -> dict[str, Hello | None]:
    found: dict[str, Hello | None] = {}
    readers = {name: WireReader() for name in names}
    for name in names:
        carrier.start(name)
        carrier.give(name, to_frame(setup))
    until = time.monotonic() + LIMIT_S
    while len(found) < len(names) and time.monotonic() < until:
        for name, data in carrier.poll(0.2):
            hello = _hello_in(readers[name], data or b"")
            if hello is not None or data is None:
                found.setdefault(name, hello)
    return {name: found.get(name) for name in names}


def _hello_in(reader: WireReader, data: bytes) -> Hello | None:
    """None where it has not come yet, or the frame is invalid."""
    with contextlib.suppress(WireError):
        return next((one for one, _ in reader.feed(data) if isinstance(one, Hello)), None)
    return None


def _report(name: str, hello: Hello | None, reason: Line | None) -> ServerReport:
    if hello is None:
        return ServerReport(name, reason=line("no answer: see its log"))
    return ServerReport(
        name,
        hello.host,
        hello.version,
        hello.python,
        hello.runtime,
        hello.cann or None,
        hello.soc or None,
        hello.chips,
        hello.cores,
        hello.free_mb,
        hello.sees_videos,
        reason or Line(""),
    )
