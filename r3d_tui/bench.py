"""`r3d-tui bench`: figures beside their references, measured in one run. It draws the reports and measures nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from backends import api
from backends.core.bench_report import BenchFigure, BenchReport
from backends.core.codec import encode
from backends.core.errors import InputError
from backends.core.messages import Line
from r3d_tui.commands.given import chosen_words, given, print_json, say, tell
from r3d_tui.figures import DASH, number, percent, rate
from r3d_tui.lang.words import Words
from r3d_tui.rows import cells, fit
from r3d_tui.safe import safe

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Figures beside their references, in one run.")

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Rounds = Annotated[int, typer.Option("--rounds", min=1, max=100, help="Each contender so often; medians count.")]
Store = Annotated[Path | None, typer.Option("--store", help="A clip store; without it: the workspace's latest.")]


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
    report = api.bench_preprocess(
        say=_aloud(), frames=frames, annotation=annotation, rounds=rounds, workers=workers, clips=clips
    )
    _show(report, json_document=json_document)


@app.command()
def infer(
    model: Annotated[Path | None, typer.Option(help=".onnx or .om; without it: the workspace's latest.")] = None,
    store: Store = None,
    target: Annotated[str | None, typer.Option(help="cpu or ascend; without it: the workspace's.")] = None,
    runtime: Annotated[str | None, typer.Option(help="As infer.runtime in r3d.toml.")] = None,
    devices: Annotated[str | None, typer.Option(help="Device numbers, such as 0,1.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, max=1024, help="Clips a batch.")] = None,
    loop: Annotated[int, typer.Option(min=1, max=100_000, help="Batches a measurement, as the guide's --loop.")] = 20,
    ais_bench: Annotated[Path | None, typer.Option(help="The Python that has ais_bench, or an ais_infer.py.")] = None,
    json_document: Json = False,
) -> None:
    """Pure inference, each device alone and all together, beside the published figures; packed beside the guide's."""
    if target not in (None, "cpu", "ascend"):
        raise InputError("--target {target}: unknown", hint="cpu or ascend", target=target)
    report = api.bench_infer(
        _workspace(),
        say=_aloud(),
        model=model.absolute() if model else None,
        store=store,
        target=cast(Literal["cpu", "ascend"] | None, target),
        runtime=runtime,
        devices=_numbers(devices, "--devices"),
        batch=batch,
        loop=loop,
        ais_bench=ais_bench,
    )
    _show(report, json_document=json_document)


@app.command()
def cpu(
    model: Annotated[Path | None, typer.Option(help=".onnx of batch 10; without it: an untrained one.")] = None,
    depth: Annotated[Literal["10", "18", "34", "50", "101"], typer.Option(help="Of the untrained model.")] = "50",
    threads: Annotated[int, typer.Option(min=0, max=512, help="0: all cores.")] = 0,
    rounds: Rounds = 5,
    json_document: Json = False,
) -> None:
    """The CPU runtimes beside what a plain matrix product makes of this machine."""
    report = api.bench_cpu(say=_aloud(), model=model, depth=int(depth), threads=threads, rounds=rounds)
    _show(report, json_document=json_document)


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
    counts = _numbers(chips, "--chips") or ()
    if not all(1 <= count <= 64 for count in counts):
        raise InputError("--chips {text}: 1 to 64 each", hint="such as 1,8", text=ascii(chips))
    report = api.bench_feed(
        _workspace(),
        say=_aloud(),
        store=store,
        chips=counts,
        rounds=rounds,
        frames=frames,
        annotation=annotation,
    )
    _show(report, json_document=json_document)


@app.command()
def scale(
    few: Annotated[int, typer.Option(min=10, max=1_000_000, help="Videos of the first run.")] = 1530,
    many: Annotated[int, typer.Option(min=10, max=1_000_000, help="Videos of the second run.")] = 100_000,
    json_document: Json = False,
) -> None:
    """Peak memory and processor time of each stage over few videos and over many; the videos are made up."""
    _show(api.bench_scale(say=_aloud(), few=few, many=many), json_document=json_document)


@app.command()
def tui(
    rounds: Rounds = 3,
    seconds: Annotated[float, typer.Option(min=0.5, max=600, help="Each is watched so long in each round.")] = 10.0,
    presses: Annotated[int, typer.Option(min=0, max=1000, help="Keys a round.")] = 20,
    events: Annotated[int, typer.Option(min=0, max=100_000_000, help="Of the flood; 0: without it.")] = 1_000_000,
    log_lines: Annotated[int, typer.Option(min=0, max=100_000_000, help="Of the flood.")] = 100_000,
    only: Annotated[list[str] | None, typer.Option(help="One scene by name, as --json has it; again for more.")] = None,
    json_document: Json = False,
) -> None:
    """The console, through a pty, beside an empty Textual application: start, cost, bytes, keys, memory. Linux only."""
    from r3d_tui.probe.report import Asked, bench_tui

    asked = Asked(rounds, seconds, presses, events, log_lines, tuple(only or ()))
    _show(bench_tui(asked, _aloud()), json_document=json_document)


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
    aloud, words = _aloud(), chosen_words()

    def real() -> BenchReport:
        return api.bench_preprocess(say=aloud, frames=frames, annotation=annotation, rounds=rounds)

    benches: tuple[Callable[[], BenchReport], ...] = (
        lambda: api.bench_preprocess(say=aloud, rounds=rounds),
        *([real] if frames else []),
        lambda: api.bench_feed(None, say=aloud, rounds=rounds, frames=frames, annotation=annotation),
        lambda: api.bench_cpu(say=aloud, model=model, rounds=rounds),
        lambda: api.bench_scale(say=aloud),
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
        value = f"{_number(figure.value, figure.unit)} {figure.unit.replace('busy', '')}".strip()
        beside, ratio = "", ""
        if figure.reference is not None and figure.unit != "busy":
            beside = f"{_number(figure.reference, figure.unit)} ({words.line(figure.against)})"
            ratio = number(figure.ratio, 2)
        wanted = _wanted(figure, words)
        ratio = ", ".join(text for text in (ratio, wanted) if text)
        yield "| " + " | ".join((safe(words.line(figure.what)), value, safe(beside), ratio)) + " |"
    yield ""
    for table in (report.machine, report.settings, report.versions):
        yield safe(", ".join(f"{key} {_value(value)}" for key, value in table.items())) + "  "
    for note in report.notes:
        yield safe(words.line(note)) + "  "
    yield ""


def report_lines(report: BenchReport, words: Words) -> Iterator[str]:
    """A report as a person reads it: one line a figure, what it stands beside, then the machine and the versions."""
    width = max((cells(words.line(figure.what)) for figure in report.figures), default=0)
    for figure in report.figures:
        yield _figure(figure, words, min(width, 56))
    for note in report.notes:
        yield words("bench.note", text=words.line(note))
    for title, table in (("machine", report.machine), ("settings", report.settings), ("versions", report.versions)):
        told = ", ".join(f"{key} {_value(value)}" for key, value in table.items())
        yield words(f"bench.{title}", told=told)


def _wanted(figure: BenchFigure, words: Words) -> str:
    """What is asked of a figure and whether it is met; empty where nothing is."""
    text = ""
    if figure.most is not None and figure.value is not None:
        met = words("bench.met" if figure.value <= figure.most else "bench.not_met")
        text = words("bench.at_most", wanted=_number(figure.most, figure.unit), met=met)
    if figure.wanted is not None and figure.ratio is not None:
        met = words("bench.met" if figure.ratio >= figure.wanted else "bench.not_met")
        wanted = percent(figure.wanted) if figure.wanted < 1.5 else f"{figure.wanted:g} x"
        text += words("bench.wanted", wanted=wanted, met=met)
    return text.lstrip(",，、 ")


def _figure(figure: BenchFigure, words: Words, width: int) -> str:
    unit = f" {figure.unit}" if figure.unit and figure.unit != "busy" else ""
    text = f"{fit(words.line(figure.what), width)}  {_number(figure.value, figure.unit):>10}{unit}"
    if figure.most is not None and figure.value is not None:
        met = words("bench.met" if figure.value <= figure.most else "bench.not_met")
        text += words("bench.at_most", wanted=_number(figure.most, figure.unit), met=met)
    if figure.reference is None:
        return text.rstrip()
    shown = percent(figure.ratio, 1) if (figure.ratio or 0) < 1.5 else f"{number(figure.ratio, 2)} x"
    against = words.line(figure.against)
    if figure.unit == "busy":  # a share already: nothing to divide
        text += "  " + words("bench.of_busy", against=against)
    else:
        reference = _number(figure.reference, figure.unit)
        text += "  " + words("bench.of", share=shown, reference=reference, against=against)
    if figure.wanted is not None and figure.ratio is not None:
        met = words("bench.met" if figure.ratio >= figure.wanted else "bench.not_met")
        wanted = percent(figure.wanted) if figure.wanted < 1.5 else f"{figure.wanted:g} x"
        text += words("bench.wanted", wanted=wanted, met=met)
    return text


def _number(value: float | None, unit: str) -> str:
    if unit == "busy":
        return percent(value, 1)
    if value is not None and unit in ("", "chips", "cores"):
        return number(value, 3 if not unit else 1)
    return rate(value)


def _value(value: object) -> str:
    return DASH if value is None else str(value)


def _show(report: BenchReport, *, json_document: bool) -> None:
    if json_document:
        print_json(_document(report))
        return
    for text in report_lines(report, chosen_words()):
        say(text)


def _document(report: BenchReport) -> dict[str, object]:
    """The document of `--json`: lines in English, figures as they are."""
    figures = [
        {**encode(figure), "what": str(figure.what), "against": str(figure.against) or None}
        for figure in report.figures
    ]
    return {**encode(report), "figures": figures, "notes": [str(note) for note in report.notes]}


def _aloud() -> Callable[[Line], None]:
    words = chosen_words()
    return lambda text: tell(words.line(text))


def _workspace() -> Path | None:
    return api.find_workspace(given.workspace or Path.cwd())


def _numbers(text: str | None, option: str) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        hint = "such as 0,1"
        raise InputError("{option} {text}: not numbers", hint=hint, option=option, text=ascii(text)) from None
