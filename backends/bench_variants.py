"""`bench infer --batches` and `bench precision`: one setting varied, and what it decides made and measured.

`backends.api` calls it. Each variant goes through the stages themselves, in child processes as in a run, into a folder
that is removed afterwards; what two variants share is made once, and nothing of the workspace changes.
"""

import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from backends.bench_infer import PACKAGES, Say, filled, latest_outputs, measure_devices, published_total, simulated_note
from backends.core.command_reports import BenchFigure, BenchReport, InferBench, beside
from backends.core.files import write_whole
from backends.core.messages import N_, InputError, Line, R3dError, Stopped, line
from backends.core.plan import Stage
from backends.core.published import published_model
from backends.core.run_state import Run
from backends.core.settings import DatasetSettings, Settings, VerifySettings
from backends.core.stage_request import Upstream
from backends.data.annotation import annotation_json, read_annotation
from backends.monitor.cpu_groups import load_note, machine, versions

MAKING = ("export", "simplify", "compile")
JUDGING = ("frames", "annotate", "preprocess", *MAKING, "verify", "infer", "score", "evaluate")
MOST_BATCH = 1024
MODES = ("force_fp16", "allow_fp32_to_fp16", "allow_mix_precision", "must_keep_origin_dtype")
"""Of atc, the fastest first; without force_fp32, under which atc does not end on some chips."""
PARITY = ("max_abs", "cosine", "top1")
"""Verify's figures of the .om."""
_NO_LIMIT = VerifySettings(max_abs=1e9, cosine=-1.0, top1=0.0, om_max_abs=1e9, om_cosine=-1.0, om_top1=0.0)
"""The table shows what a mode costs: it does not end at the first that is over a limit."""

Made = dict[str, Upstream]


class Variants:
    """Runs stages for one variant of the settings after another."""

    def __init__(self, workspace: Path, run: Run | None, asked: InferBench, say: Say) -> None:
        self._workspace, self._run, self._asked, self._say = workspace, run, asked, say
        self._made: dict[str, tuple[Stage, Made, Upstream]] = {}

    def compare(
        self, name: str, variants: dict[str, Settings], stages: Collection[str]
    ) -> tuple[BenchReport, dict[str, float]]:
        """A report of all variants, and the rate of each by its name.

        One that cannot be made or run (memory, a limit of the compiler) is noted and left out. InputError where none
        could be measured.
        """
        before = machine()
        figures: list[BenchFigure] = []
        notes = [*load_note(before), *simulated_note()]
        rates: dict[str, float] = {}
        reason = Line("")
        with tempfile.TemporaryDirectory(prefix="r3d-bench-") as folder:
            for variant, settings in variants.items():
                self._say(line("{variant}: making the model", variant=variant))
                try:
                    made = self._make(settings, stages, Path(folder))
                    rows = [*self._rates(variant, settings, made), *_judged(variant, made)]
                except Stopped:
                    raise
                except R3dError as error:
                    reason = error.line
                    notes.append(line("{variant} was not measured: {reason}", variant=variant, reason=reason))
                    continue
                rates[variant] = rows[0].value or 0.0
                figures += rows
        if not rates:
            raise InputError("nothing could be measured: {reason}", hint="r3d-tui doctor", reason=reason)
        known = {"loop": self._asked.loop, "target": next(iter(variants.values())).infer.target}
        return BenchReport(name, before, versions(PACKAGES), known, tuple(figures), tuple(notes)), rates

    def _make(self, settings: Settings, stages: Collection[str], folder: Path) -> Made:
        """What the stages make of these settings; a stage that reads and does the same as before is taken as it is."""
        from backends.engine.worker_process import run_step
        from backends.pipeline import whole_plan

        done: Made = {}
        for stage in whole_plan(self._workspace, settings).stages:
            if stage.name not in stages or stage.skip is not None:
                continue
            before = {name: done[name] for name in stage.after if name in done}
            kept = self._made.get(stage.name)
            if kept is None or kept[:2] != (stage, before):
                if kept is not None:
                    shutil.rmtree(self._made.pop(stage.name)[2].folder)
                out = Path(tempfile.mkdtemp(prefix=f"{stage.name}-", dir=folder))
                outcome = run_step(stage, out, lambda _: None, before)
                kept = self._made[stage.name] = (stage, before, Upstream(out, outcome))
            done[stage.name] = kept[2]
        return done

    def _rates(self, variant: str, settings: Settings, made: Made) -> Iterator[BenchFigure]:
        """Clips/s of all devices together, p50 and p95 of a batch on the slowest."""
        asked = replace(self._asked, model=_model(settings, made), batch=settings.infer.batch)
        asked = replace(filled(self._workspace, self._run, asked), store=None)  # compute only
        perf = measure_devices(self._workspace, asked, self._say)
        rate = perf.total(perf.together)
        reference = published_total(perf, published_model(made["export"].outcome.figures)) if "export" in made else None
        against = line("{n} times the published figure", n=len(perf.alone)) if reference else Line("")
        p50 = max(row.median_ms for row in perf.together)
        p95 = max((row.p95_ms for row in perf.together if row.p95_ms is not None), default=None)
        yield beside(variant, Line(variant), rate, reference, against)
        yield BenchFigure(f"{variant}_p50_ms", line("{variant}: p50 of a batch", variant=variant), p50, "ms")
        yield BenchFigure(f"{variant}_p95_ms", line("{variant}: p95 of a batch", variant=variant), p95, "ms")


def _model(settings: Settings, made: Made) -> Path:
    """The `.om`, or the simplified ONNX where nothing is compiled."""
    last = made.get("compile") or made["simplify"]
    names = ("om",) if "compile" in made else (("uint8", "onnx") if settings.infer.input == "uint8" else ("onnx",))
    return next(last.path(name) for name in names if last.has(name))


def _judged(variant: str, made: Made) -> Iterator[BenchFigure]:
    """Accuracy and parity, where the stages that give them were among those made."""
    if "evaluate" not in made:
        return
    evaluated, verified = made["evaluate"].outcome.figures, made["verify"].outcome.figures
    named = {name: evaluated.get(name) for name in ("top1", "topk")}
    named |= {f"parity_{name}": verified.get(f"om_{name}") for name in PARITY}
    for name, value in named.items():
        known = float(value) if isinstance(value, int | float) else None
        yield BenchFigure(f"{variant}_{name}", line("{variant}: {figure}", variant=variant, figure=name), known, "")


def _untuned(settings: Settings) -> Settings:
    """A table is not to take hours a row."""
    return replace(settings, compile=replace(settings.compile, tune="off"))


def sweep(workspace: Path, run: Run | None, batches: Sequence[int], asked: InferBench, say: Say) -> BenchReport:
    """Rate, p50 and p95 of each batch size on all devices together, the best one noted."""
    from backends.workspace.settings_file import read_settings

    if not batches or not all(1 <= batch <= MOST_BATCH for batch in batches):
        raise InputError("--batches: 1 to {most} each", hint="such as 1,4,8,16", most=MOST_BATCH)
    settings = _untuned(read_settings(workspace))
    if settings.model.om is not None:
        raise InputError("model.om is given: it has the batch size that it was compiled with", hint="remove model.om")
    variants = {f"batch_{batch}": replace(settings, infer=replace(settings.infer, batch=batch)) for batch in batches}
    report, rates = Variants(workspace, run, asked, say).compare("batches", variants, MAKING)
    best = int(max(rates, key=lambda name: rates[name]).removeprefix("batch_"))
    notes = (*report.notes, line("best batch: {batch}", batch=best))
    return replace(report, settings={**report.settings, "best_batch": best}, notes=notes)


def precision(
    workspace: Path, run: Run | None, modes: Sequence[str], videos: int, asked: InferBench, say: Say
) -> BenchReport:
    """Accuracy, parity with the checkpoint and rate of each of atc's precision modes, on a sample of the subset."""
    from backends.pipeline import whole_plan
    from backends.workspace.settings_file import read_settings

    settings = _untuned(read_settings(workspace))
    if settings.model.om is not None:
        raise InputError("model.om is given: it has the precision that it was compiled with", hint="remove model.om")
    if (reason := whole_plan(workspace, settings).stage("compile").skip) is not None:
        hint = N_("set infer.target to ascend and infer.runtime to auto in r3d.toml")
        raise InputError("no precision mode to compare: {reason}", hint=hint, reason=reason)
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as folder:
        dataset, n = _sample(workspace, run, settings, videos, Path(folder) / "annotation.json")
        loose = replace(settings, dataset=dataset, verify=_NO_LIMIT)
        variants = {mode: replace(loose, compile=replace(loose.compile, precision_mode=mode)) for mode in modes}
        report, _ = Variants(workspace, run, asked, say).compare("precision", variants, JUDGING)
    set_now = settings.compile.precision_mode
    note = line("accuracy over {n} videos: a difference of one video is {share:.3f}", n=n, share=1 / n)
    return replace(report, settings={**report.settings, "set": set_now, "videos": n}, notes=(*report.notes, note))


def _sample(
    workspace: Path, run: Run | None, settings: Settings, videos: int, target: Path
) -> tuple[DatasetSettings, int]:
    """The data set with an annotation of `videos` of its subset's videos, evenly spaced; and how many there are."""
    given = latest_outputs(workspace, run).get("annotation") or settings.dataset.annotation
    if given is None:
        raise InputError("no annotation to take a sample of", hint="r3d-tui run --to annotate")
    annotation = read_annotation(given)
    subset = annotation.subset(settings.dataset.subset)
    if not subset:
        text = N_("{path}: no videos of the subset {subset}")
        raise InputError(text, hint="see dataset.subset in r3d.toml", path=str(given), subset=settings.dataset.subset)
    count = min(videos, len(subset))
    taken = tuple(subset[place * len(subset) // count] for place in range(count))
    write_whole(target, annotation_json(replace(annotation, videos=taken)))
    return replace(settings.dataset, annotation=target, splits=None, share=None), count
