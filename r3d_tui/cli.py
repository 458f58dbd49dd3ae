"""The plain face: the command line that scripts depend on. It words errors and exit codes once and works nothing.

Exit codes: 0 done; 1 a stage failed; 2 usage or bad input; 3 a need is missing; 130 interrupted. `--json` prints one
document (or one event a line) on standard output and nothing else there; words for people go to standard error.
"""

from __future__ import annotations

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
from backends.core.errors import InputError, R3dError
from r3d_tui.commands import bench, clean, look, make, run, serving
from r3d_tui.commands import step as steps
from r3d_tui.commands.options import chosen_words, given, open_workspace, tell, workspace_folder
from r3d_tui.headless import sentences
from r3d_tui.lang.words import LANGUAGES
from r3d_tui.terminal import tty

app = typer.Typer(
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(steps.app, name="step")
app.add_typer(bench.app, name="bench")
for _command in (
    make.demo,
    make.init,
    run.run,
    run.rerun,
    look.status,
    run.stop,
    run.attach,
    look.logs,
    look.runs,
    look.devices,
    look.doctor,
    clean.clean,
    serving.serve,
):
    app.command()(_command)


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
        raise InputError("--language {language}: unknown", hint="en or zh", language=language)
    given.workspace, given.language, given.debug = workspace, language, debug
    given.ascii_only, given.mouse, given.read_only = ascii_only, not no_mouse, read_only
    steps.show_log(debug)
    if version:
        from importlib.metadata import version as read_version

        typer.echo(read_version("r3d-tui"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.Exit(run.open_console(workspace_folder()))


def _step_in_workspace(name: str) -> None:
    """Make `step NAME` for a stage that reads what others made: it takes the workspace's files and settings."""

    def command(json_lines: Annotated[bool, typer.Option("--json", help="One JSON event a line.")] = False) -> None:
        raise typer.Exit(run.begin(open_workspace(), RunRequest(last=name), headless=True, json_lines=json_lines))

    steps.app.command(name, help="This stage in the workspace, after whatever it hangs on that is not up to date.")(
        command
    )


for _name in ("check", "simplify", "compile", "verify", "infer"):
    _step_in_workspace(_name)


def main(work: Callable[[], object] | None = None) -> None:
    """The entry point, of commands or of other work: every error becomes one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=_spoken(stream), errors="backslashreplace")  # what cannot be shown ends nothing
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
