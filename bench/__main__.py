"""`python -m bench`: all that is measured but pure inference, from a checkout. Figures stand beside references."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from backends.core.command_reports import BenchReport
from backends.core.errors import InputError
from bench import reports
from r3d_tui.cli import main
from r3d_tui.commands.bench import Json, Store, aloud, figure_text, show, value_text, wanted_text
from r3d_tui.commands.options import chosen_words, numbers, say
from r3d_tui.lang.words import Words
from r3d_tui.text.figures import number
from r3d_tui.text.safe import safe

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Figures beside their references, in one run.")

Rounds = Annotated[int, typer.Option("--rounds", min=1, max=100, help="Each contender so often; medians count.")]


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
    depth: Annotated[Literal["10", "18", "34", "50", "101"], typer.Option(help="Of the untrained model.")] = "50",
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
    rounds: Rounds = 3,
    json_document: Json = False,
) -> None:
    """How many chips at the published rates this machine keeps busy; the chips are simulated."""
    counts = numbers(chips, "--chips")
    if not all(1 <= count <= 64 for count in counts):
        raise InputError("--chips {text}: 1 to 64 each", hint="such as 1,8", text=ascii(chips))
    report = reports.bench_feed(store, counts, rounds, aloud(), frames=frames, annotation=annotation)
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


@app.command("all")
def everything(
    model: Annotated[Path | None, typer.Option(help=".onnx of batch 10; without it: untrained, depth 50.")] = None,
    frames: Annotated[Path | None, typer.Option(help="Real frames, <class>/<video>/image_%05d.jpg.")] = None,
    annotation: Annotated[Path | None, typer.Option(help="The json of those frames.")] = None,
    rounds: Rounds = 5,
) -> None:
    """Everything that needs no chip, in turn, as tables for docs/performance.md: an hour or less.

    Frames to clips are measured on frames made for it, and on the real ones where they are given.
    """
    from bench.cpu import bench_cpu
    from bench.scale import FEW, MANY, bench_scale

    tell, words = aloud(), chosen_words()

    def preprocessed(frames: Path | None, annotation: Path | None) -> BenchReport:
        return reports.bench_preprocess(
            frames=frames, annotation=annotation, rounds=rounds, workers=0, clips=240, say=tell
        )

    benches: tuple[Callable[[], BenchReport], ...] = (
        lambda: preprocessed(None, None),
        *([lambda: preprocessed(frames, annotation)] if frames else []),
        lambda: reports.bench_feed(None, (1, 8), rounds, tell, frames=frames, annotation=annotation),
        lambda: reports.bench_loop(tell),
        lambda: bench_cpu(model, 50, 0, rounds, tell),
        lambda: bench_scale(FEW, MANY, tell),
    )
    for bench in benches:
        for text in table_lines(bench(), words):
            say(text)


def table_lines(report: BenchReport, words: Words) -> Iterator[str]:
    """A report as a section of Markdown."""
    yield f"### {report.name}"
    yield ""
    yield "| figure | value | beside | ratio |"
    yield "|---|---|---|---|"
    for figure in report.figures:
        value = f"{figure_text(figure.value, figure.unit)} {figure.unit.replace('busy', '')}".strip()
        beside, ratio = "", ""
        if figure.reference is not None and figure.unit != "busy":
            beside = f"{figure_text(figure.reference, figure.unit)} ({words.line(figure.against)})"
            ratio = number(figure.ratio, 2)
        wanted = wanted_text(figure, words)
        ratio = ", ".join(text for text in (ratio, wanted) if text)
        yield "| " + " | ".join((safe(words.line(figure.what)), value, safe(beside), ratio)) + " |"
    yield ""
    for table in (report.machine, report.settings, report.versions):
        yield safe(", ".join(f"{key} {value_text(value)}" for key, value in table.items())) + "  "
    for note in report.notes:
        yield safe(words.line(note)) + "  "
    yield ""


if __name__ == "__main__":
    main(app)
