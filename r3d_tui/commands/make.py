"""Commands that make a workspace: `demo` and `init`."""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from backends import api
from backends.core.client import RunRequest
from backends.core.messages import InputError
from r3d_tui.commands.options import chosen_words, numbers, refuse, tell
from r3d_tui.commands.run import begin
from r3d_tui.terminal.tty import drawn


def demo(
    folder: Annotated[Path | None, typer.Argument(help="Where to build it; without it: a temporary folder.")] = None,
    headless: Annotated[bool, typer.Option("--headless", help="No console.")] = False,
    chips: Annotated[int, typer.Option("--chips", min=0, max=64, help="Simulated chips, labelled as such.")] = 0,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON event a line.")] = False,
) -> None:
    """Make an embedded workspace and run it for real on the CPU.

    It holds small videos and a small trained model. With --chips it shows simulated chips, labelled as simulated.
    """
    import tempfile

    place = folder or Path(tempfile.mkdtemp(prefix="r3d-tui-demo-"))
    tell(chosen_words()("plain.building", path=str(place)))
    api.build_demo(place, chips=chips, progress=_video_count)
    client = api.open_client(place)
    raise typer.Exit(begin(client, RunRequest(), headless=headless or json_lines, json_lines=json_lines))


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The workspace to make.")],
    videos: Annotated[
        Path | None,
        typer.Option(help="Folder of <class>/<video>.avi or of archives, or an archive (.rar, .zip, .tar)."),
    ] = None,
    frames: Annotated[Path | None, typer.Option(help="Folder of <class>/<video>/image_%05d.jpg.")] = None,
    annotation: Annotated[Path | None, typer.Option(help="The guide's json (hmdb51_1.json).")] = None,
    splits: Annotated[Path | None, typer.Option(help="Folder of <class>_test_split1.txt, or its archive.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="The .pth file, or a ready .onnx or .om.")] = None,
    target: Annotated[str, typer.Option(help="cpu or ascend.")] = "cpu",
    devices: Annotated[str | None, typer.Option(help="Device numbers, such as 0,1.")] = None,
) -> None:
    """Write r3d.toml for a new workspace."""
    refuse(_faults(videos=videos, frames=frames, checkpoint=checkpoint, target=target, devices=devices))
    settings = api.new_settings(
        videos=videos,
        frames=frames,
        annotation=annotation,
        splits=splits,
        checkpoint=checkpoint,
        target="ascend" if target == "ascend" else "cpu",
        devices=numbers(devices, "--devices") or None,
    )
    path = api.init_workspace(folder, settings)
    for found in api.describe_dataset(folder.absolute()):
        tell(chosen_words().line(found))
    tell(chosen_words()("plain.wrote", path=str(path), folder=shlex.quote(str(folder))))


def _faults(
    *, videos: Path | None, frames: Path | None, checkpoint: Path | None, target: str, devices: str | None
) -> Iterator[InputError]:
    """What is wrong with the options themselves; what they name is looked at later."""
    if target not in ("cpu", "ascend"):
        yield InputError("--target {target}: unknown", hint="cpu or ascend", target=target)
    if videos is None and frames is None:
        yield InputError("no videos and no frames are given", hint="give --videos or --frames")
    if checkpoint is None:
        yield InputError("no checkpoint is given", hint="give --checkpoint")
    try:
        numbers(devices, "--devices")
    except InputError as error:
        yield error


def _video_count(done: int, total: int) -> None:
    """How far the demo's videos are: one line that is written over, in a terminal; the last one elsewhere."""
    words = chosen_words()
    if sys.stderr.isatty():
        text = drawn(words("plain.videos_of", done=done, total=total))
        sys.stderr.write("\r" + text + ("\n" if done == total else ""))
    elif done == total:
        tell(words("plain.videos", n=done))
