"""`r3d-tui step STAGE`: one stage by itself, with the guide's option names, as in the guide and with dashes."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from backends import api
from backends.core.events import Event, ItemSetAside, Outcome, StageNote, StageProgress
from backends.core.log_lines import log_line
from backends.core.plan import Stage
from backends.core.run_state import StageRun
from r3d_tui.commands.options import GroupedHelp, chosen_words, given, tell
from r3d_tui.headless.sentences import figures_said, progress_said, stage_name
from r3d_tui.views.look import dotted

app = typer.Typer(
    cls=GroupedHelp, no_args_is_help=True, rich_markup_mode=None, help="One stage by itself, with the guide's options."
)


class Reporter:
    """Events of a lone stage as lines on standard error: notes, items skipped, and how far it is once a second."""

    def __init__(self) -> None:
        self._words = chosen_words()
        self._said = time.monotonic()

    def __call__(self, event: Event) -> None:
        if isinstance(event, StageNote | ItemSetAside) and (said := log_line(event)):
            tell(self._words.line(said))
        elif isinstance(event, StageProgress):
            self._tick(event)

    def _tick(self, event: StageProgress) -> None:
        now = time.monotonic()
        if now - self._said >= 1.0 or event.done == event.total:
            self._said = now
            stage = StageRun(
                event.stage, "running", done=event.done, total=event.total, unit=event.unit, rate=event.rate
            )
            tell(progress_said(self._words, stage))


def run(entry: str, stage: str, out: Path, params: Mapping[str, Any]) -> Outcome:
    """Run one stage in the foreground and say what it measured."""
    log: list[str] = []
    try:
        alone = Stage(stage, entry, 1, params=params)
        outcome = api.run_step(alone, out.absolute(), Reporter(), on_log=log.append)
    finally:
        if given.debug:  # what the stage printed, tracebacks too
            sys.stderr.write("".join(log))
    words = chosen_words()
    told = {name: value for name, value in outcome.figures.items() if name != "text"}
    name, figures = stage_name(words, stage), dotted(figures_said(words, "", told))
    tell(
        words("plain.step_done", stage=name, figures=figures) if figures else words("plain.step_done_bare", stage=name)
    )
    return outcome


def absolute(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by name, their paths as absolute ones in text: a stage has a folder of its own."""
    return {name: str(one.absolute()) if isinstance(one, Path) else one for name, one in options.items()}


@app.command()
def frames(
    video_path: Annotated[Path, typer.Argument(help="Folder of <class>/<video>.avi.")],
    output_path: Annotated[Path, typer.Argument(help="Folder for <class>/<video>/image_%05d.jpg.")],
    dataset: Annotated[str, typer.Argument(help="As in the guide; every data set is laid out alike here.")] = "hmdb51",
    fps: Annotated[int, typer.Option("--fps", help="Frames a second, interpolated; -1: the video's own.")] = -1,
    size: Annotated[int, typer.Option("--size", min=16, max=4096, help="Pixels of the shorter side.")] = 240,
    n_jobs: Annotated[int, typer.Option("--n_jobs", "--n-jobs", help="Processes; -1: one a core.")] = -1,
) -> None:
    """Videos to frames, as generate_video_jpgs.py."""
    run("backends.data.frames:step_frames", "frames", output_path, absolute(locals()))


@app.command()
def annotate(
    splits: Annotated[Path, typer.Argument(help="Folder of the data set's lists, or its archive.")],
    video_path: Annotated[Path, typer.Argument(help="Folder of frames.")],
    output_path: Annotated[Path, typer.Argument(help="Folder for hmdb51_1.json, or the json itself.")],
    split: Annotated[int, typer.Option("--split", min=0, help="One split (of Kinetics: classes); 0: all.")] = 0,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="hmdb51, ucf101, kinetics, mit or folders; without: recognised.")
    ] = None,
) -> None:
    """A data set's lists and frames to the annotation json, as hmdb51_json.py, ucf101_json.py, kinetics_json.py."""
    paths = absolute({"dir_path": splits, "video_path": video_path, "dst_dir_path": output_path})
    params = {**paths, "split": split, "dataset": dataset}
    run("backends.data.annotate:step_annotate", "annotate", output_path, params)


@app.command()
def preprocess(
    video_path: Annotated[Path, typer.Option("--video_path", "--video-path", help="Top folder of the frames.")],
    annotation_path: Annotated[Path, typer.Option("--annotation_path", "--annotation-path", help="The json.")],
    output_path: Annotated[Path, typer.Option("--output_path", "--output-path", help="Folder for the .bin files.")],
    dataset: Annotated[str, typer.Option("--dataset", help="Name of the data set and of the .info file.")] = "hmdb51",
    inference_batch_size: Annotated[
        int, typer.Option("--inference_batch_size", "--inference-batch-size", help="Videos a file: 1.")
    ] = 1,
    subset: Annotated[str, typer.Option("--subset", help="The subset to preprocess.")] = "validation",
) -> None:
    """Frames to .bin files and hmdb51.info, byte for byte as 3D-ResNets_preprocess.py."""
    params = {**absolute(locals()), "info_path": str(Path(f"{dataset}.info").absolute())}
    run("backends.data.preprocess:step_preprocess", "preprocess", output_path, params)


@app.command()
def export(
    resume_path: Annotated[Path, typer.Option("--resume_path", "--resume-path", help="The checkpoint.")],
    model: Annotated[str | None, typer.Option("--model")] = None,
    model_depth: Annotated[int | None, typer.Option("--model_depth", "--model-depth")] = None,
    n_classes: Annotated[int | None, typer.Option("--n_classes", "--n-classes")] = None,
    output: Annotated[Path, typer.Option("--output", help="The .onnx to write.")] = Path("3D-ResNets.onnx"),
    resnet_shortcut: Annotated[str | None, typer.Option("--resnet_shortcut", "--resnet-shortcut")] = None,
    resnet_widen_factor: Annotated[float | None, typer.Option("--resnet_widen_factor", "--resnet-widen-factor")] = None,
    wide_resnet_k: Annotated[int | None, typer.Option("--wide_resnet_k", "--wide-resnet-k")] = None,
    conv1_t_size: Annotated[int | None, typer.Option("--conv1_t_size", "--conv1-t-size")] = None,
    conv1_t_stride: Annotated[int | None, typer.Option("--conv1_t_stride", "--conv1-t-stride")] = None,
    no_max_pool: Annotated[bool | None, typer.Option("--no_max_pool", "--no-max-pool")] = None,
    root_path: Annotated[str | None, typer.Option("--root_path", "--root-path", hidden=True)] = None,
    video_path: Annotated[str | None, typer.Option("--video_path", "--video-path", hidden=True)] = None,
    annotation_path: Annotated[str | None, typer.Option("--annotation_path", "--annotation-path", hidden=True)] = None,
    result_path: Annotated[str | None, typer.Option("--result_path", "--result-path", hidden=True)] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", hidden=True)] = None,
) -> None:
    """A checkpoint to an ONNX file, as 3D-ResNets_pth2onnx.py; the guide's other options are taken and not needed."""
    run("backends.models.export:step_export", "export", output.absolute().parent, absolute(locals()))


@app.command()
def score(
    result_dir: Annotated[Path, typer.Argument(metavar="RESULT_DIR", help="What ais_bench or ais_infer wrote.")],
    k: Annotated[int, typer.Argument(metavar="K", help="Labels to keep for each video.")],
    info: Annotated[Path | None, typer.Option("--info", help="Clips of each video; without: found here.")] = None,
    output: Annotated[Path, typer.Option("--output", help="The json to write.")] = Path("val.json"),
    labels: Annotated[
        Path | None, typer.Option("--labels", help="A file of class names, or an annotation json; without: HMDB51's.")
    ] = None,
) -> None:
    """Result files to val.json, as 3D-ResNets_postprocess.py."""
    options = absolute({"result": result_dir, "k": k, "info": info, "output": output, "labels": labels})
    params = {**options, "cwd": str(Path.cwd())}
    run("backends.evaluate.score:step_score", "score", output.absolute().parent, params)


@app.command()
def evaluate(
    annotation: Annotated[Path, typer.Argument(metavar="ANNOTATION", help="hmdb51_1.json.")],
    val: Annotated[Path, typer.Argument(metavar="VAL", help="val.json.")],
    subset: Annotated[str, typer.Option("--subset", help="The subset to evaluate.")] = "validation",
    k: Annotated[int, typer.Option("-k", help="A video counts when its label is among the first k.")] = 1,
    ignore: Annotated[bool, typer.Option("--ignore", help="Count only videos that have a result.")] = False,
    save: Annotated[bool, typer.Option("--save", help="Also write top<k>.txt beside VAL, as the guide does.")] = False,
) -> None:
    """val.json and the annotation to an accuracy, as eval_accuracy.py."""
    outcome = run("backends.evaluate.evaluate:step_evaluate", "evaluate", Path.cwd(), absolute(locals()))
    sys.stdout.write(f"{outcome.figures.get('text', outcome.figures['accuracy'])}\n")
