"""The plain face: the command line that scripts depend on. It words errors and exit codes once and works nothing.

Exit codes: 0 done; 1 a stage failed; 2 usage or bad input; 3 a need is missing; 130 interrupted. `--json` prints one
document (or one event a line) on standard output and nothing else there; words for people go to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backends import api
from backends.contract.client import RunRequest, Snapshot
from backends.contract.errors import InputError, R3dError
from r3d_tui import bench, steps
from r3d_tui.lang.words import Words, chosen
from r3d_tui.safe import safe, safe_lines

if TYPE_CHECKING:
    from backends.engine.client import LiveClient

app = typer.Typer(
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(steps.app, name="step")
app.add_typer(bench.app, name="bench")

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@dataclass
class Given:
    """What the options before the command said."""

    workspace: Path | None = None
    language: str | None = None
    ascii_only: bool = False
    mouse: bool = True
    read_only: bool = False
    debug: bool = False


given = Given()


@app.callback(invoke_without_command=True)
def console(
    context: typer.Context,
    workspace: Annotated[Path | None, typer.Option("--workspace", "-w", help="The folder with r3d.toml.")] = None,
    language: Annotated[str | None, typer.Option("--language", help="en or zh; without it: the locale's.")] = None,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="No box drawing.")] = False,
    no_mouse: Annotated[bool, typer.Option("--no-mouse", help="Leave the mouse to the terminal.")] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="Watch only: no key starts or stops.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """From a 3D-ResNet checkpoint and a folder of action videos to a measured accuracy and throughput."""
    given.workspace, given.language, given.debug = workspace, language, debug
    given.ascii_only, given.mouse, given.read_only = ascii_only, not no_mouse, read_only
    steps.show_log(debug)
    if version:
        from importlib.metadata import version as read_version

        typer.echo(read_version("r3d-tui"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.Exit(open_console(_folder()))


@app.command()
def demo(
    folder: Annotated[Path | None, typer.Argument(help="Where to build it; without it: a temporary folder.")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="No console.")] = False,
    chips: Annotated[int, typer.Option("--chips", min=0, max=64, help="Simulated chips, labelled as such.")] = 0,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON event a line.")] = False,
) -> None:
    """An embedded workspace of small videos and a small trained model, run for real on the CPU."""
    import tempfile

    place = folder or Path(tempfile.mkdtemp(prefix="r3d-tui-demo-"))
    typer.echo(f"building the demo in {place}", err=True)
    api.build_demo(place, chips=chips, progress=_video_count)
    client = api.open_client(place)
    raise typer.Exit(_run(client, RunRequest(), headless=headless or json_lines, json_lines=json_lines))


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The workspace to make.")],
    videos: Annotated[Path | None, typer.Option(help="Folder of <class>/<video>.avi.")] = None,
    frames: Annotated[Path | None, typer.Option(help="Folder of <class>/<video>/image_%05d.jpg.")] = None,
    annotation: Annotated[Path | None, typer.Option(help="The guide's json (hmdb51_1.json).")] = None,
    splits: Annotated[Path | None, typer.Option(help="Folder of <class>_test_split1.txt.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="The .pth file.")] = None,
    target: Annotated[str, typer.Option(help="cpu or ascend.")] = "cpu",
    devices: Annotated[str | None, typer.Option(help="Device numbers, such as 0,1.")] = None,
) -> None:
    """Write r3d.toml for a new workspace."""
    if target not in ("cpu", "ascend"):
        raise InputError("--target {target}: unknown", hint="cpu or ascend", target=target)
    path = api.init_workspace(
        folder,
        videos=videos,
        frames=frames,
        annotation=annotation,
        splits=splits,
        checkpoint=checkpoint,
        target="ascend" if target == "ascend" else "cpu",
        devices=_numbers(devices),
    )
    typer.echo(f"wrote {path}; next: r3d-tui --workspace {folder}", err=True)


@app.command()
def run(
    first: Annotated[str | None, typer.Option("--from", help="Run this stage and what hangs on it anew.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Go no further than this stage.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Run everything anew.")] = False,
    headless: Annotated[bool, typer.Option("--headless", help="No console.")] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON event a line.")] = False,
) -> None:
    """Bring every stage up to date."""
    request = RunRequest(first=first, last=last, force=force)
    raise typer.Exit(_run(_client(), request, headless=headless or json_lines, json_lines=json_lines))


@app.command()
def rerun(
    stages: Annotated[list[str] | None, typer.Argument(help="Stages to run anew; without: what failed.")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="No console.")] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON event a line.")] = False,
) -> None:
    """Run what failed and what hangs on it (or the stages named and what hangs on them)."""
    request = RunRequest("rerun", tuple(stages or ()))
    raise typer.Exit(_run(_client(), request, headless=headless or json_lines, json_lines=json_lines))


@app.command()
def status(json_document: Json = False) -> None:
    """The latest run: stages, devices, result."""
    from r3d_tui.documents import status_document
    from r3d_tui.plain import ending_words, state_words

    snapshot = _client().snapshot()
    if json_document:
        _print_json(status_document(snapshot))
        return
    words = _words()
    for stage in snapshot.run.stages:
        typer.echo(f"{stage.name:<11} {state_words(words, stage)}")
    for text in ending_words(snapshot, words) if snapshot.run.id else ["nothing has run here yet"]:
        typer.echo(text)


@app.command()
def stop() -> None:
    """Ask the engine to stop; what is done is kept."""
    _client().stop()
    typer.echo("stopping: the item at hand is finished first", err=True)


@app.command()
def attach(headless: Annotated[bool, typer.Option("--headless", help="No console.")] = False) -> None:
    """Watch the run of the workspace."""
    client = _client()
    if not headless and _terminal():
        raise typer.Exit(open_console(client.workspace))
    snapshot = client.snapshot()
    if not snapshot.run.id:
        raise InputError("{path}: nothing has run here yet", hint="r3d-tui run", path=str(client.workspace))
    raise typer.Exit(_follow(client, snapshot.run.id, json_lines=False))


@app.command()
def logs(stage: Annotated[str | None, typer.Argument(help="One stage; without: which there are.")] = None) -> None:
    """A stage's raw log, or where the logs lie."""
    client = _client()
    for name in api.STAGE_NAMES if stage is None else ():
        if path := client.log_path(name):
            typer.echo(f"{name:<11} {path}")
    if stage is not None:
        path = client.log_path(stage)
        if path is None:
            raise InputError("{stage} has no log in the latest run", hint="r3d-tui logs", stage=stage)
        text = path.read_text(encoding="utf-8", errors="replace")
        sys.stdout.write("\n".join(safe_lines(text)) if sys.stdout.isatty() else text)


@app.command()
def runs(json_document: Json = False) -> None:
    """All runs of the workspace, latest first."""
    from r3d_tui.documents import runs_document

    found = _client().runs()
    if json_document:
        _print_json(runs_document(found))
        return
    for summary in found:
        accuracy = f"top-1 {summary.top1:.4f}" if summary.top1 is not None else ""
        seconds = f"{summary.seconds:.0f} s" if summary.seconds is not None else ""
        typer.echo(f"{summary.id}  {summary.state:<11} {seconds:>8}  {accuracy}".rstrip())


@app.command()
def devices(
    json_document: Json = False,
    source: Annotated[str, typer.Option("--from", help="A saved `npu-smi info`; - for standard input.")] = "live",
) -> None:
    """The chips of this machine as npu-smi tells of them."""
    table = api.read_devices(source)
    if json_document:
        _print_json(api.devices_document(table))
    else:
        from r3d_tui.tables import device_lines

        for text in device_lines(table, _words()):
            typer.echo(text)
    if table.error:
        raise typer.Exit(3)


@app.command()
def doctor(json_document: Json = False) -> None:
    """Everything that a run needs: met or not, what was found, and the mend."""
    from r3d_tui.documents import findings_document
    from r3d_tui.tables import finding_lines

    findings = api.doctor(api.find_workspace(given.workspace or Path.cwd()))
    if json_document:
        _print_json(findings_document(findings))
    else:
        for text in finding_lines(findings, _words()):
            typer.echo(text)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(3)


def _step_in_workspace(name: str) -> None:
    """Make `step NAME` for a stage that reads what others made: it takes the workspace's files and settings."""

    def command(json_lines: Annotated[bool, typer.Option("--json", help="One JSON event a line.")] = False) -> None:
        raise typer.Exit(_run(_client(), RunRequest(last=name), headless=True, json_lines=json_lines))

    text = "This stage in the workspace, after whatever it hangs on that is not up to date."
    steps.app.command(name, help=text)(command)


for _name in ("check", "simplify", "compile", "verify", "infer"):
    _step_in_workspace(_name)


def open_console(workspace: Path) -> int:
    """Open the console on a workspace, or on the form that makes one."""
    if not _terminal():
        hint = "use r3d-tui status, run --headless or attach --headless"
        raise InputError("the console needs a terminal", hint=hint)
    from r3d_tui.app import run_console

    found = api.find_workspace(workspace)
    client = api.open_client(found or workspace)
    return run_console(
        client,
        mouse=given.mouse,
        ascii_only=given.ascii_only,
        read_only=given.read_only,
        language=given.language,
    )


def main() -> None:
    """The entry point: every error becomes one line and an exit code."""
    try:
        app(standalone_mode=True)
    except R3dError as error:
        _complain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except OSError as error:
        if given.debug:
            traceback.print_exc()
        place = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"error: {safe(place)}{safe(error.strerror or str(error))}\n")
        sys.exit(2)
    except Exception as error:  # noqa: BLE001 - the boundary: a fault of ours is one line, and a traceback with --debug
        if given.debug:
            traceback.print_exc()
        hint = "a fault of r3d-tui: run it again with --debug and report what it says"
        sys.stderr.write(f"error: {type(error).__name__}: {safe(str(error))} ({hint})\n")
        sys.exit(1)


def _complain(error: R3dError) -> None:
    if given.debug:
        traceback.print_exc()
    words = _words()
    hint = f" ({words.line(error.hint)})" if error.hint.template else ""
    sys.stderr.write(f"error: {words.line(error.line)}{hint}\n")


def _run(client: LiveClient, request: RunRequest, *, headless: bool, json_lines: bool) -> int:
    run_id = client.start(request)
    if not headless and _terminal():
        return open_console(client.workspace)
    return _follow(client, run_id, json_lines=json_lines)


def _follow(client: LiveClient, run_id: str, *, json_lines: bool) -> int:
    from r3d_tui import plain

    words = _words()
    with plain.stop_on_interrupt(client):
        if json_lines:
            snapshot = plain.follow(client, run_id, plain.JsonLines(client, run_id, sys.stdout))
        elif _terminal():
            with plain.RichDisplay(words) as display:
                snapshot = plain.follow(client, run_id, display)
        else:
            snapshot = plain.follow(client, run_id, plain.PlainLines(words, sys.stdout))
    _say_end(snapshot, words, sys.stderr if json_lines else sys.stdout)
    return plain.exit_code(snapshot.run)


def _say_end(snapshot: Snapshot, words: Words, out: Any) -> None:
    from r3d_tui.plain import ending_words

    for text in ending_words(snapshot, words):
        out.write(text + "\n")
    for stage in snapshot.run.stages:
        if stage.state == "failed":
            hint = f" ({words.line(stage.hint)})" if stage.hint.template else ""
            sys.stderr.write(f"error: {stage.name}: {words.line(stage.reason)}{hint}\n")


def _video_count(done: int, total: int) -> None:
    """How far the demo's videos are: one line that is written over, in a terminal; the last one elsewhere."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{done}/{total} videos" + ("\n" if done == total else ""))
    elif done == total:
        sys.stderr.write(f"{done} videos\n")


def _folder() -> Path:
    return given.workspace or api.find_workspace(Path.cwd()) or Path.cwd()


def _client() -> LiveClient:
    folder = _folder()
    if not (folder / "r3d.toml").is_file():
        text, hint = "{path}: no r3d.toml here", "make a workspace: r3d-tui init DIR, or try r3d-tui demo"
        raise InputError(text, hint=hint, path=str(folder))
    return api.open_client(folder)


def _words() -> Words:
    return Words(chosen(given.language))


def _terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _numbers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError("--devices {text}: not numbers", hint="such as 0,1", text=ascii(text)) from None


def _print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
