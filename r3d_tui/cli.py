"""The command line that scripts depend on. Errors are worded and exit codes chosen here, once.

Exit codes: 0 done; 1 a stage failed; 2 usage or bad input; 3 a need is missing; 130 interrupted. `--json` prints one
document (or one event a line) on standard output and nothing else there; words for people go to standard error.
"""

import codecs
import io
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from backends.core.client import RunRequest
from backends.core.messages import InputError, R3dError
from r3d_tui.commands import bench, clean, make, open_report, run, serving, show
from r3d_tui.commands import step as steps
from r3d_tui.commands.options import (
    GroupedHelp,
    chosen_words,
    given,
    globals_first,
    open_workspace,
    tell,
    workspace_folder,
)
from r3d_tui.headless import sentences
from r3d_tui.lang.words import LANGUAGES
from r3d_tui.terminal import tty

EXAMPLES = """\
Examples:
  r3d-tui demo                              the whole guide on small embedded videos
  r3d-tui init work --videos hmdb51_videos --annotation hmdb51_1.json --checkpoint save_700.pth
  r3d-tui -w work                           the console
  r3d-tui -w work run --headless            the same run without a screen
  r3d-tui rerun                             what failed, and what depends on it
  r3d-tui devices --from saved.txt          chips of a saved `npu-smi info`
Exit codes: 0 done, 1 a stage failed, 2 usage or bad input, 3 something is missing, 130 interrupted.
"""

app = typer.Typer(
    cls=GroupedHelp,
    epilog=EXAMPLES,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
WORKSPACE, RUN, LOOK, MORE = "Workspaces", "Runs", "Inspect", "More"
for _panel, _commands in (
    (WORKSPACE, (make.demo, make.init)),
    (RUN, (run.run, run.rerun, run.stop, run.attach)),
    (LOOK, (show.status, show.runs, show.logs, show.devices, show.cluster, show.doctor, open_report.report)),
    (MORE, (clean.clean, serving.serve, show.version)),
):
    for _command in _commands:
        app.command(rich_help_panel=_panel)(_command)
app.add_typer(steps.app, name="step", rich_help_panel=RUN)
app.add_typer(bench.app, name="bench", rich_help_panel=RUN)


@app.callback(invoke_without_command=True)
def console(
    context: typer.Context,
    workspace: Annotated[Path | None, typer.Option("--workspace", "-w", help="The folder with r3d.toml.")] = None,
    language: Annotated[
        str | None, typer.Option("--language", help="en or zh; else r3d.toml says, or the locale.")
    ] = None,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="No box drawing.")] = False,
    no_mouse: Annotated[bool, typer.Option("--no-mouse", help="Leave the mouse to the terminal.")] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="Watch only: no key starts or stops.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """From a 3D-ResNet checkpoint and a folder of action videos to a measured accuracy and throughput."""
    if language is not None and not language.lower().startswith(LANGUAGES):
        raise InputError("--language {language}: unknown", hint="one of {known}", language=language, known=LANGUAGES)
    given.workspace, given.language, given.debug = workspace, language, debug
    given.ascii_only, given.mouse, given.read_only = ascii_only, not no_mouse, read_only
    if version:
        show.version()
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.Exit(run.open_console(workspace_folder()))


def _step_in_workspace(name: str) -> None:
    """Make `step NAME` for a stage that reads what others made: it takes the workspace's files and settings."""

    def command(json_lines: Annotated[bool, typer.Option("--json", help="One JSON event a line.")] = False) -> None:
        raise typer.Exit(run.begin(open_workspace(), RunRequest(last=name), headless=True, json_lines=json_lines))

    steps.app.command(name, help="This stage in the workspace, after whatever it depends on that is not up to date.")(
        command
    )


for _name in ("check", "simplify", "compile", "verify", "infer"):
    _step_in_workspace(_name)


def main(work: Callable[[], object] | None = None) -> None:
    """The entry point, of commands or of other work: every error becomes one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=_spoken(stream), errors="backslashreplace")  # what cannot be shown ends nothing
    sys.argv[1:] = globals_first(sys.argv[1:])
    try:
        (work or app)()
    except R3dError as error:
        _complain(sentences.complaint(chosen_words(), error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except OSError as error:
        _complain(sentences.system_complaint(chosen_words(), error))
        sys.exit(2)
    except Exception as error:  # noqa: BLE001 - the boundary: a fault of ours is one line, and a traceback with --debug
        _complain(sentences.fault(chosen_words(), error))
        sys.exit(1)


def _spoken(stream: io.TextIOWrapper) -> str:
    """A stream's encoding; of a terminal whose locale is not installed here the one that the locale names.

    Python falls back to ASCII there, and Typer then writes UTF-8, which a terminal of GBK shows as other signs.
    """
    if not stream.isatty() or codecs.lookup(stream.encoding).name != "ascii":
        return stream.encoding
    try:
        return codecs.lookup(tty.locale_encoding()).name
    except LookupError:
        return stream.encoding


def _complain(text: str) -> None:
    if given.debug:
        traceback.print_exc()
    tell(text)


if __name__ == "__main__":
    main()
