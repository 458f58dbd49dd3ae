"""`python -m bench`: all that is measured but pure inference, from a checkout. Figures stand beside references."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from backends.core.messages import InputError
from bench import reports
from r3d_tui.cli import main
from r3d_tui.commands.bench import Json, Store, aloud, show
from r3d_tui.commands.options import numbers, say

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Figures beside their references, in one run.")

Rounds = Annotated[int, typer.Option("--rounds", min=1, max=100, help="Each contender so often; medians count.")]
Count = Annotated[int, typer.Option("--count", min=10, max=100_000, help="How many videos.")]
Depth = Annotated[Literal["10", "18", "34", "50", "101"], typer.Option(help="Of the untrained model.")]
Reference = Annotated[Path | None, typer.Option(help="The reference's checkout, with the guide's scripts in it.")]


@app.command()
def preprocess(
    frames: Annotated[Path | None, typer.Option(help="Real frames, <class>/<video>/image_%05d.jpg.")] = None,
    annotation: Annotated[Path | None, typer.Option(help="The json of those frames.")] = None,
    rounds: Rounds = 5,
    workers: Annotated[int, typer.Option(min=0, max=512, help="Threads; 0: one a core.")] = 0,
    clips: Annotated[int, typer.Option(min=1, max=100_000, help="About how many clips to make.")] = 240,
    json_document: Json = False,
) -> None:
    """Frames to clips: ours beside the guide's way and beside decoding alone."""
    report = reports.bench_preprocess(
        frames=frames, annotation=annotation, rounds=rounds, workers=workers, clips=clips, say=aloud()
    )
    show(report, json_document=json_document)


@app.command()
def cpu(
    model: Annotated[Path | None, typer.Option(help=".onnx of batch 10; without it: an untrained one.")] = None,
    depth: Depth = "50",
    threads: Annotated[int, typer.Option(min=0, max=512, help="0: all cores.")] = 0,
    rounds: Rounds = 5,
    json_document: Json = False,
) -> None:
    """The CPU runtimes beside what a plain matrix product makes of this machine."""
    from bench.cpu import bench_cpu

    report = bench_cpu(model, int(depth), threads, rounds, aloud())
    show(report, json_document=json_document)


@app.command()
def feed(
    store: Store = None,
    chips: Annotated[str, typer.Option(help="How many simulated chips, one run each.")] = "1,8",
    frames: Annotated[Path | None, typer.Option(help="Real frames, <class>/<video>/image_%05d.jpg.")] = None,
    annotation: Annotated[Path | None, typer.Option(help="The json of those frames.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="About how long each run takes.")] = 5.0,
    rounds: Rounds = 3,
    json_document: Json = False,
) -> None:
    """How many chips at the published rates this machine keeps busy; the chips are simulated."""
    counts = numbers(chips, "--chips")
    if not all(1 <= count <= 64 for count in counts):
        raise InputError("--chips {text}: 1 to 64 each", hint="such as 1,8", text=ascii(chips))
    report = reports.bench_feed(store, counts, rounds, aloud(), frames=frames, annotation=annotation, seconds=seconds)
    show(report, json_document=json_document)


@app.command()
def loop(json_document: Json = False) -> None:
    """What the inference loop costs and what packing saves, on the null runtime."""
    show(reports.bench_loop(aloud()), json_document=json_document)


@app.command()
def scale(
    few: Annotated[int, typer.Option(min=10, max=1_000_000, help="Videos of the first run.")] = 1530,
    many: Annotated[int, typer.Option(min=10, max=1_000_000, help="Videos of the second run.")] = 100_000,
    json_document: Json = False,
) -> None:
    """Peak memory and processor time of each stage over few videos and over many; the videos are made up."""
    from bench.scale import bench_scale

    show(bench_scale(few, many, aloud()), json_document=json_document)


@app.command()
def console(
    rounds: Rounds = 3,
    seconds: Annotated[float, typer.Option(min=0.5, max=600, help="Each is watched so long in each round.")] = 10.0,
    presses: Annotated[int, typer.Option(min=0, max=1000, help="Keys a round.")] = 20,
    events: Annotated[int, typer.Option(min=0, max=100_000_000, help="Of the flood; 0: without it.")] = 1_000_000,
    log_lines: Annotated[int, typer.Option(min=0, max=100_000_000, help="Of the flood.")] = 100_000,
    only: Annotated[list[str] | None, typer.Option(help="One scene by name, as --json has it; again for more.")] = None,
    json_document: Json = False,
) -> None:
    """The console, through a pty, beside an empty Textual application: start, cost, bytes, keys, memory. Linux only."""
    from bench.console.report import Asked, bench_console

    asked = Asked(rounds, seconds, presses, events, log_lines, tuple(only or ()))
    show(bench_console(asked, aloud()), json_document=json_document)


@app.command("frames")
def frames_of_videos(
    videos: Annotated[Path | None, typer.Option(help="Real .avi files, taken again and again.")] = None,
    count: Annotated[int, typer.Option(min=10, max=100_000, help="How many videos.")] = 100,
    rounds: Rounds = 3,
    json_document: Json = False,
) -> None:
    """Videos to JPEG files with one process, two, and one a core, beside ffmpeg as the reference calls it."""
    from bench.races import bench_frames

    show(bench_frames(videos, count, rounds, aloud()), json_document=json_document)


@app.command()
def cores(
    videos: Annotated[Path | None, typer.Option(help="Real .avi files, taken again and again.")] = None,
    count: Count = 100,
    rounds: Rounds = 3,
    json_document: Json = False,
) -> None:
    """Frames and clips with one worker, two, and one a core; and a model of a server of 64 cores."""
    from bench.cores import bench_cores

    show(bench_cores(videos, count, rounds, aloud()), json_document=json_document)


@app.command()
def servers(rounds: Rounds = 3, json_document: Json = False) -> None:
    """What several servers cost their head; a model of 1 to 64 for a set of Kinetics' size, and what bounds them."""
    from bench.servers import bench_servers

    show(bench_servers(rounds, aloud()), json_document=json_document)


@app.command()
def step_preprocess(
    reference: Reference = None, count: Count = 300, rounds: Rounds = 3, json_document: Json = False
) -> None:
    """The guide's preprocess command as a whole process, beside the guide's script or its steps."""
    from bench.races import bench_step_preprocess

    show(bench_step_preprocess(reference, count, rounds, aloud()), json_document=json_document)


@app.command()
def evaluate(
    reference: Reference = None,
    videos: Annotated[int, typer.Option(min=10, max=1_000_000)] = 80_000,
    rounds: Rounds = 3,
    json_document: Json = False,
) -> None:
    """val.json to an accuracy, beside the reference's eval_accuracy.py."""
    from bench.races import bench_evaluate

    show(bench_evaluate(reference, videos, rounds, aloud()), json_document=json_document)


@app.command()
def export(depth: Depth = "50", rounds: Rounds = 3, json_document: Json = False) -> None:
    """A checkpoint to an ONNX file, as a whole process."""
    from bench.races import bench_export

    show(bench_export(int(depth), rounds, aloud()), json_document=json_document)


@app.command()
def demo(rounds: Rounds = 3, json_document: Json = False) -> None:
    """The demo's stages, and what each of their processes imports."""
    from bench.workspaces import bench_demo

    show(bench_demo(rounds, aloud()), json_document=json_document)


@app.command()
def accuracy(count: Count = 300, rounds: Rounds = 3, json_document: Json = False) -> None:
    """From videos, without and with their frames kept, and from JPEG files, to an accuracy."""
    from bench.workspaces import bench_accuracy

    show(bench_accuracy(count, rounds, aloud()), json_document=json_document)


@app.command()
def verify(depth: Depth = "50", rounds: Rounds = 3, json_document: Json = False) -> None:
    """The export, simplify and verify stages of a large model."""
    from bench.workspaces import bench_verify

    show(bench_verify(int(depth), rounds, aloud()), json_document=json_document)


@app.command()
def table(
    reports: Annotated[
        list[Path] | None, typer.Argument(help="What benches printed with --json, or folders of it.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Into docs/performance.md and docs/performance.json.")] = False,
) -> None:
    """Reports as the tables of docs/performance.md; without any the page's own."""
    from bench import table as tables

    found = tables.read_reports(reports or [tables.REPORTS])
    if write:
        tables.write_page(found)
    say(tables.table(found))


if __name__ == "__main__":
    main(app)
