"""`r3d-tui bench infer` and `bench precision`, and how a bench report is printed (`bench/` uses it too)."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from backends import api
from backends.core.codec import encode
from backends.core.command_reports import BenchFigure, BenchReport, InferBench
from backends.core.messages import N_, InputError, Line, line
from r3d_tui.commands.options import GroupedHelp, chosen_words, given, numbers, open_workspace, print_json, say, tell
from r3d_tui.lang.words import Words
from r3d_tui.text.figures import DASH, number, percent, rate, small
from r3d_tui.text.rows import Column, cells, fit, table, text_of

app = typer.Typer(
    cls=GroupedHelp, no_args_is_help=True, rich_markup_mode=None, help="Pure inference, and precision modes, measured."
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Store = Annotated[Path | None, typer.Option("--store", help="A clip store; without it: the workspace's latest.")]

Loop = Annotated[int, typer.Option(min=1, max=100_000, help="Batches a measurement, as the guide's --loop.")]


@app.callback()
def bench() -> None:
    """Pure inference beside the published figures. Other measurements: `python -m bench` in a checkout."""


@app.command()
def infer(
    model: Annotated[Path | None, typer.Option(help=".onnx or .om; without it: the workspace's latest.")] = None,
    store: Store = None,
    target: Annotated[str | None, typer.Option(help="cpu or ascend; without it: the workspace's.")] = None,
    runtime: Annotated[str | None, typer.Option(help="As infer.runtime in r3d.toml.")] = None,
    devices: Annotated[str | None, typer.Option(help="Device numbers, such as 0,1.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, max=1024, help="Clips a batch.")] = None,
    loop: Loop = 20,
    ais_bench: Annotated[Path | None, typer.Option(help="The Python that has ais_bench, or an ais_infer.py.")] = None,
    batches: Annotated[str | None, typer.Option(help="Batch sizes to compare, such as 1,4,8,16,32.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="With --batches: write the best to r3d.toml.")] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="The ten operators that take most time, by msprof.")
    ] = False,
    json_document: Json = False,
) -> None:
    """Pure inference, each device alone and all together, beside the published figures."""
    if target not in (None, "cpu", "ascend"):
        raise InputError("--target {target}: unknown", hint="cpu or ascend", target=target)
    chosen = numbers(devices, "--devices") or None
    if apply and batches is None:
        raise InputError("--apply writes the best of several batch sizes", hint="give them: --batches 1,4,8,16")
    if batches is not None:
        others = {
            "--model": model,
            "--store": store,
            "--target": target,
            "--batch": batch,
            "--profile": profile or None,
        }
        if wrong := next((name for name, value in others.items() if value is not None), None):
            text = N_("{option} is not for --batches, which makes the models by the workspace's settings")
            raise InputError(text, hint="leave one of them out", option=wrong)
        asked = InferBench(runtime=runtime, devices=chosen, loop=loop, ais_bench=ais_bench)
        show(_compared(numbers(batches, "--batches"), asked, apply=apply), json_document=json_document)
        return
    asked = InferBench(
        model.absolute() if model else None,
        store,
        cast(Literal["cpu", "ascend"] | None, target),
        runtime,
        chosen,
        batch,
        loop,
        ais_bench,
        is_profiled=profile,
    )
    report = api.bench_infer(api.find_workspace(given.workspace or Path.cwd()), asked, aloud())
    show(report, json_document=json_document)


def _compared(batches: tuple[int, ...], asked: InferBench, *, apply: bool) -> BenchReport:
    """The report of a batch sweep in the workspace; with `apply` its best batch is written to r3d.toml."""
    folder = open_workspace().workspace
    report = api.bench_batches(folder, batches, asked, aloud())
    if apply:
        change = api.change_setting(folder, "infer.batch", str(report.settings["best_batch"]))
        tell(chosen_words().line(line("r3d.toml: {setting}", setting=change.after)))
    return report


@app.command()
def precision(
    modes: Annotated[str, typer.Option(help="Of atc, such as force_fp16,allow_mix_precision.")] = "",
    videos: Annotated[int, typer.Option(min=1, max=100_000, help="Videos of the sample.")] = 100,
    loop: Loop = 20,
    runtime: Annotated[str | None, typer.Option(help="As infer.runtime in r3d.toml.")] = None,
    devices: Annotated[str | None, typer.Option(help="Device numbers, such as 0,1.")] = None,
    json_document: Json = False,
) -> None:
    """Accuracy, parity and rate of each precision mode of atc, on a sample of the workspace's videos."""
    named = tuple(filter(None, modes.split(",")))
    if wrong := next((mode for mode in named if not re.fullmatch(r"[a-z]\w{2,40}", mode, re.ASCII)), None):
        raise InputError("--modes: {mode} is not a precision mode", hint="such as force_fp16", mode=wrong)
    asked = InferBench(runtime=runtime, devices=numbers(devices, "--devices") or None, loop=loop)
    report = api.bench_precision(open_workspace().workspace, named, videos, asked, aloud())
    show(report, json_document=json_document)


def report_lines(report: BenchReport, words: Words) -> Iterator[str]:
    """A report as a person reads it: one line a figure, what it stands beside, then the machine and the versions."""
    width = max((cells(words.line(figure.what)) for figure in report.figures), default=0)
    if report.name in _TABLES:
        yield from _variant_table(report, words, *_TABLES[report.name])
    for figure in report.figures if report.name not in _TABLES else ():
        yield _figure(figure, words, min(width, 56))
    for note in report.notes:
        yield words("bench.note", text=words.line(note))
    for title, values in (("machine", report.machine), ("settings", report.settings), ("versions", report.versions)):
        shown = ", ".join(f"{key} {value_text(value)}" for key, value in values.items())
        yield words(f"bench.{title}", values=shown)


_TABLES = {
    "batches": (
        ("figure.batch", 8, "batch_", "best_batch"),
        {"p50_ms": "chip_table.p50", "p95_ms": "chip_table.p95"},
    ),
    "precision": (
        ("bench.mode", 24, "", "set"),
        {
            "top1": "bench.top1",
            "parity_top1": "bench.parity",
            "parity_cosine": "model.cosine",
            "parity_max_abs": "bench.max_abs",
        },
    ),
}
"""Of a report of variants: head, width, what their names begin with, and the setting that names the one to mark; then
the figures beside the rate, and their heads."""


def _variant_table(
    report: BenchReport, words: Words, first: tuple[str, int, str, str], names: dict[str, str]
) -> Iterator[str]:
    """One row a variant, as the guides' tables have it; the best, or the one that is set, is marked."""
    (head, width, prefix, marked), found = first, {figure.name: figure for figure in report.figures}
    heads = ("infer.clips_per_s", "chip_table.share", *names.values())
    columns = (
        Column(words(head), width),
        *(Column(words(head), max(7, cells(words(head))), right=True) for head in heads),
    )
    rows = []
    for figure in report.figures:
        if f"{figure.name}_p50_ms" in found:
            name = figure.name.removeprefix(prefix)
            mark = "*" if name == str(report.settings[marked]) else " "
            others = (_cell(found[f"{figure.name}_{other}"]) for other in names)
            rows.append([f"{mark} {name}", rate(figure.value), percent(figure.ratio), *others])
    yield from (text_of(text).rstrip() for text in table(columns, rows, 80))


def _cell(figure: BenchFigure) -> str:
    if figure.unit == "ms":
        return number(figure.value)
    if figure.value is None:
        return DASH
    return small(figure.value) if figure.name.endswith("max_abs") else f"{figure.value:.5g}"


def wanted_text(figure: BenchFigure, words: Words) -> str:
    """What is asked of a figure and whether it is met; empty where nothing is."""
    text = ""
    if figure.most is not None and figure.value is not None:
        met = words("bench.met" if figure.value <= figure.most else "bench.not_met")
        text = words("bench.at_most", wanted=figure_text(figure.most, figure.unit), met=met)
    if figure.wanted is not None and figure.ratio is not None:
        met = words("bench.met" if figure.ratio >= figure.wanted else "bench.not_met")
        wanted = percent(figure.wanted) if figure.wanted < 1.5 else f"{figure.wanted:g} x"
        text += words("bench.wanted", wanted=wanted, met=met)
    return text.lstrip(",，、 ")


def _figure(figure: BenchFigure, words: Words, width: int) -> str:
    unit = f" {figure.unit}" if figure.unit and figure.unit != "busy" else ""
    text = f"{fit(words.line(figure.what), width)}  {figure_text(figure.value, figure.unit):>10}{unit}"
    wanted = wanted_text(figure, words)
    wanted = wanted and f", {wanted}"
    if figure.reference is None:
        return (text + wanted).rstrip()
    shown = percent(figure.ratio, 1) if (figure.ratio or 0) < 1.5 else f"{number(figure.ratio, 2)} x"
    against = words.line(figure.against)
    if figure.unit == "busy":  # a share already: nothing to divide
        text += "  " + words("bench.of_busy", against=against)
    else:
        reference = figure_text(figure.reference, figure.unit)
        text += "  " + words("bench.of", share=shown, reference=reference, against=against)
    return text + wanted


def figure_text(value: float | None, unit: str) -> str:
    if unit == "busy":
        return percent(value, 1)
    if value is not None and unit in ("", "chips", "cores"):
        return number(value, 3 if not unit else 1)
    return rate(value)


def value_text(value: object) -> str:
    return DASH if value is None else str(value)


def show(report: BenchReport, *, json_document: bool) -> None:
    if json_document:
        print_json(_document(report))
        return
    say(*report_lines(report, chosen_words()))


def _document(report: BenchReport) -> dict[str, object]:
    """The document of `--json`: lines in English, figures as they are."""
    figures = [
        {**encode(figure), "what": str(figure.what), "against": str(figure.against) or None}
        for figure in report.figures
    ]
    return {**encode(report), "figures": figures, "notes": [str(note) for note in report.notes]}


def aloud() -> Callable[[Line], None]:
    words = chosen_words()
    return lambda text: tell(words.line(text))
