"""All that a front end may ask for. It joins the engine, which knows no stage, with the stages."""

# ruff: noqa: PLC0414 - a type checker takes a name as given on only under the same name

from __future__ import annotations

import contextlib
import functools
import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec.structs import replace

from backends.core.codec import dumps, loads
from backends.core.command_reports import BenchReport, Bundle, CleanupPlan, InferBench, Overview, ServerReport
from backends.core.messages import InputError, Line, line
from backends.core.needs import Finding
from backends.core.plan import Plan
from backends.core.processes import our_environment
from backends.core.run_state import Run
from backends.core.settings import DatasetSettings, InferSettings, ModelSettings, Settings
from backends.core.values import DeviceSample
from backends.simulator import simulation
from backends.workspace.settings_file import FILE, read_settings, refuse_unready, write_settings
from backends.workspace.settings_file import find_workspace as find_workspace
from backends.workspace.settings_file import workspace_language as workspace_language

if TYPE_CHECKING:  # the first import of one thing does not wait for those of all others
    from backends.ascend.npu_smi import devices_document as devices_document
    from backends.ascend.npu_smi_calls import read_devices as read_devices
    from backends.cluster.cluster_check import server_findings as server_findings
    from backends.data.archives import is_archive as is_archive
    from backends.data.catalog import SqlCatalog as SqlCatalog
    from backends.engine.live_client import LiveClient
    from backends.engine.worker_process import run_step as run_step
    from backends.monitor.cpu_groups import machine as machine
    from backends.monitor.cpu_groups import versions as versions
    from backends.workspace.browser import clip_frames as clip_frames
    from backends.workspace.browser import open_catalog as open_catalog
    from backends.workspace.discovery import find_candidates as find_candidates
    from backends.workspace.settings_edit import change_setting as change_setting
    from backends.workspace.settings_edit import plan_change as plan_change
else:
    _MODULES = {
        "ascend.npu_smi": "devices_document",
        "ascend.npu_smi_calls": "read_devices",
        "cluster.cluster_check": "server_findings",
        "data.archives": "is_archive",
        "engine.worker_process": "run_step",
        "monitor.cpu_groups": "machine versions",
        "workspace.browser": "clip_frames open_catalog",
        "workspace.discovery": "find_candidates",
        "workspace.settings_edit": "change_setting plan_change",
    }

    def __getattr__(name: str) -> Any:
        for module, names in _MODULES.items():
            if name in names.split():
                return getattr(importlib.import_module(f"backends.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def stage_names() -> tuple[str, ...]:
    """Every stage in the order of a run."""
    from backends.pipeline import STAGES

    return tuple(spec.name for spec in STAGES)


def open_client(workspace: Path, *, cluster: str | None = None) -> LiveClient:
    """The client of a workspace on this machine; `cluster` stands for `cluster.address` of its r3d.toml."""
    from backends.engine.live_client import LiveClient, PlanSource

    simulation.enter(workspace)
    read = functools.partial(read_settings, cluster=cluster)
    return LiveClient(workspace.resolve(), PlanSource(read, _ready_plan))


def new_settings(
    *,
    videos: Path | None = None,
    frames: Path | None = None,
    annotation: Path | None = None,
    splits: Path | None = None,
    checkpoint: Path | None = None,
    target: Literal["cpu", "ascend"] = "cpu",
    devices: tuple[int, ...] | None = None,
) -> Settings:
    """The settings of a new workspace; `checkpoint` may be a ready .onnx or .om."""

    def absolute(**paths: Path | None) -> Any:
        return {name: path.expanduser().absolute() for name, path in paths.items() if path}

    data = absolute(videos=videos, frames=frames, annotation=annotation, splits=splits)
    kind = {".onnx": "onnx", ".om": "om"}.get(checkpoint.suffix if checkpoint else "", "checkpoint")
    model = absolute(**{kind: checkpoint})
    infer = InferSettings(target=target, devices=devices)
    dataset = DatasetSettings(**data, keep_frames=videos is None)
    return Settings(dataset=dataset, model=ModelSettings(**model), infer=infer)


def init_workspace(folder: Path, settings: Settings) -> Path:
    """Write the r3d.toml of a new workspace and give its path. Raises InputError for what is not there."""
    refuse_unready(folder, settings)
    return write_settings(folder.absolute(), settings)


def describe_dataset(workspace: Path) -> tuple[Line, ...]:
    """What the workspace's inputs were recognised as, and what is wrong with them before any work."""
    from backends.data.dataset_checks import dataset_findings, described
    from backends.models.model_checks import model_findings

    settings = read_settings(workspace)
    found = (*dataset_findings(settings), *model_findings(settings))
    wrong = [finding for finding in found if finding.state in ("missing", "warning")]
    problems = (line("{found} ({hint})", found=one.found, hint=one.hint) for one in wrong)
    if any(one.state == "missing" for one in wrong):
        return tuple(problems)
    network = (one.found.facts for one in found if one.name == "checkpoint" and one.state == "met")
    models = (line("{path}: a {network}", path=str(settings.model.checkpoint), **facts) for facts in network)
    return (*described(settings.dataset), *models, *problems)


def overview(workspace: Path, settings: Settings) -> Overview:
    """Data and model of these settings at a glance. Takes a process and seconds: call it from a thread."""
    command = [sys.executable, "-m", "backends.workspace.overview", str(workspace)]
    asked = dumps(settings).encode("ascii")
    done = subprocess.run(command, input=asked, capture_output=True, check=False, env=our_environment())
    return loads(Overview, done.stdout) if done.returncode == 0 else Overview()


@contextlib.contextmanager
def sample_devices(target: str) -> Iterator[Iterator[tuple[DeviceSample, ...]]]:
    """Readings of the devices of a target, by a process that lives as long as the block. Each may take seconds."""
    from backends.monitor.sampler import from_line

    command = [sys.executable, "-m", "backends.monitor.sampler", "--target", target, "-"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=quiet, env=our_environment()
    ) as child:
        try:
            yield map(from_line, child.stdout or ())
        finally:
            child.kill()


def likely_target() -> Literal["cpu", "ascend"]:
    """What this machine has: `ascend` where npu-smi or a chip's device file is there, else `cpu`."""
    from backends.ascend.npu_smi_calls import tool

    return "ascend" if tool() or any(Path("/dev").glob("davinci[0-9]*")) else "cpu"


def build_demo(folder: Path, *, chips: int = 0, progress: Callable[[int, int], None] | None = None) -> None:
    """Make the embedded demo's workspace in a folder: videos, split files, checkpoint, r3d.toml.

    With `chips` it has so many simulated chips, labelled as such. `progress` is told videos done and in all. Raises
    InputError where the folder holds something else, a demo without chips among others.
    """
    from backends.demo.demo_dataset import build_demo as build
    from backends.demo.demo_dataset import demo_settings

    folder = folder.absolute()
    build(folder, progress=progress)
    settings = demo_settings(folder)
    if chips:
        simulation.build(folder, chips)
        settings = replace(settings, infer=InferSettings(target="ascend", input="uint8", loops=simulation.LOOPS))
    if not (folder / FILE).exists():
        write_settings(folder, settings)


def explain_log(path: Path, batch: int) -> tuple[Line, ...]:
    """What a saved log of atc, ais_bench, ais_infer, msame or pyACL says; `batch` where msame does not print it."""
    from backends.ascend.log_diagnosis import read_saved_log

    return read_saved_log(path).lines(batch)


def has_cluster(workspace: Path) -> bool:
    """Its r3d.toml names a cluster."""
    return bool(read_settings(workspace).cluster.address)


def ask_servers(workspace: Path, cluster: str | None = None) -> tuple[ServerReport, ...]:
    """Every server of the workspace's cluster, or of the one named: what it is, and why it could not take part."""
    from backends.cluster.cluster_check import ask_servers as ask

    simulation.enter(workspace)
    return ask(read_settings(workspace, cluster=cluster), workspace)


def doctor(workspace: Path | None) -> tuple[Finding, ...]:
    """The check stage's table, for a workspace or for the defaults."""
    from backends.checks.check_stage import diagnose
    from backends.pipeline import whole_plan

    if workspace:
        simulation.enter(workspace)
    settings = read_settings(workspace) if workspace else Settings()
    place = workspace or Path.cwd()
    return diagnose(settings, place, whole_plan(place, settings).stages)


def run_folder(workspace: Path, run_id: str) -> Path:
    from backends.engine.folders import Folders

    return Folders(workspace.resolve()).run(run_id).path


def report_text(workspace: Path, run: Run) -> str:
    """report.md as the run's evaluate stage wrote it; empty where there is none."""
    from backends.engine.folders import Folders
    from backends.engine.run_results import output

    path = output(Folders(workspace.resolve()), run, "text")
    return path.read_text(encoding="utf-8", errors="replace") if path is not None and path.is_file() else ""


def find_waste(workspace: Path, keep: int) -> CleanupPlan:
    """What in `.r3d` nothing needs where the latest `keep` runs stay. BusyError while an engine works there."""
    from backends.engine import cleanup
    from backends.engine.folders import Folders

    return cleanup.look(Folders(workspace.resolve()), _any_plan(workspace), keep)


def remove_waste(workspace: Path, keep: int, agreed: frozenset[Path]) -> CleanupPlan:
    """Remove what still may go of what was agreed to, by paths as `find_waste` gave them; gives what went."""
    from backends.engine import cleanup
    from backends.engine.folders import Folders

    return cleanup.remove(Folders(workspace.resolve()), _any_plan(workspace), keep, agreed)


def make_bundle(
    workspace: Path | None, file: Path, documents: Mapping[str, Any], findings: tuple[Finding, ...] | None = None
) -> Bundle:
    """A .tar.gz for a colleague: versions, findings, npu-smi, and of a workspace its settings, journal and logs.

    What is private is masked. `documents` are JSON values by file name that go along, `findings` doctor's; without
    them it is asked. InputError where `file` is there already, is no .tar.gz, or cannot be written.
    """
    from backends.bundle import collect, pack
    from backends.bundle.mask import Mask, this_machine

    pack.check_target(file)
    if workspace:
        simulation.enter(workspace)
    found = collect.parts(workspace, lambda: doctor(workspace) if findings is None else findings)
    parts = [*pack.documents(documents), *found]
    return pack.write_bundle(file.absolute(), parts, Mask(this_machine(workspace)))


def bench_infer(workspace: Path | None, asked: InferBench, say: Callable[[Line], None]) -> BenchReport:
    from backends.bench_infer import bench_infer as measure

    return measure(workspace, _latest(workspace), asked, say)


def bench_batches(
    workspace: Path, batches: Sequence[int], asked: InferBench, say: Callable[[Line], None]
) -> BenchReport:
    """The model made for each batch size and measured on the workspace's devices."""
    from backends.bench_variants import sweep

    return sweep(workspace, _latest(workspace), batches, asked, say)


def bench_precision(
    workspace: Path, modes: Sequence[str], videos: int, asked: InferBench, say: Callable[[Line], None]
) -> BenchReport:
    """Accuracy, parity and rate of atc's precision modes, on a sample of `videos` of the workspace's videos."""
    from backends.bench_variants import MODES, precision

    return precision(workspace, _latest(workspace), modes or MODES, videos, asked, say)


def _latest(workspace: Path | None) -> Run | None:
    return open_client(workspace).snapshot().run if workspace is not None else None


def _ready_plan(workspace: Path, settings: Settings) -> Plan:
    from backends.pipeline import whole_plan

    refuse_unready(workspace, settings)
    return whole_plan(workspace, settings)


def _any_plan(workspace: Path) -> Plan | None:
    """The plan of the present settings, files missing or not; None where the settings cannot be read."""
    from backends.pipeline import whole_plan

    try:
        return whole_plan(workspace.resolve(), read_settings(workspace.resolve()))
    except InputError:
        return None
