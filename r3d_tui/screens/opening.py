"""What opens from the board and needs answers first: results, videos. Questions go through threads, as all do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.core.client import Prediction, RunResult, RunSummary, by_name
from backends.core.clip_entries import AsideEntry, ClipFrames, VideoEntry
from r3d_tui.screens.heavy import calm
from r3d_tui.text import figures

if TYPE_CHECKING:
    from backends.core.bundle_report import Bundle
    from backends.core.values import DeviceTable
    from r3d_tui.screens.doing import Doing
    from r3d_tui.screens.seeking import Seeking
    from r3d_tui.views.chip import Processes
    from r3d_tui.views.compare import Comparison
    from r3d_tui.views.devices import Device
    from r3d_tui.views.tracks import Track
    from r3d_tui.views.videos import ClassEntry


def open_results(board: Doing, wanted: str = "") -> None:
    """Show the result of a run, the latest that has one by default; a word where there is none."""
    client = board.client

    def find() -> tuple[RunResult | None, tuple[RunSummary, ...]]:
        scored = tuple(run for run in client.runs() if run.top1 is not None)
        one = next((run.id for run in scored if wanted in ("", run.id)), None)
        with calm():
            return client.result(one) if one else None, tuple(run for run in scored if run.id != one)

    def show(found: tuple[RunResult | None, tuple[RunSummary, ...]]) -> None:
        from r3d_tui.screens.results import Results

        latest, earlier = found
        if latest is None:
            board.say("say.run_no_result" if wanted else "say.no_result")
            return
        run = latest.run.id

        def load(other: str, then: Callable[[Comparison], None]) -> None:
            from r3d_tui.views.compare import compared

            def both() -> Comparison:
                with calm():
                    return compared(latest, client.result(other))

            board.ask(both, then)

        def export(folder: Path) -> None:
            if board.allowed():
                board.ask(lambda: client.export(run, folder), lambda _: board.say("say.exported", path=str(folder)))

        play = player(board, latest)
        board.app.push_screen(
            Results(latest, earlier, board.words, load=load, export=export, play=play, folder=client.workspace)
        )

    board.ask(find, show)


def open_runs(board: Doing) -> None:
    """The runs of the workspace, and what is behind each."""
    client = board.client

    def show(found: tuple[RunSummary, ...]) -> None:
        from r3d_tui.screens.listings import Runs

        def devices(run: str) -> None:
            open_kept(board, run)

        def result(run: str) -> None:
            open_results(board, run)

        board.app.push_screen(Runs(found, board.words, result=result, devices=devices))

    board.ask(client.runs, show)


def open_asides(board: Doing) -> None:
    """What the run set aside."""
    from backends import api
    from r3d_tui.screens.listings import Asides
    from r3d_tui.views.lists import set_aside_count

    if (snapshot := board.snapshot) is None:
        return

    def show(found: Sequence[AsideEntry]) -> None:
        more = max(0, set_aside_count(snapshot) - len(found))
        play = player(board, RunResult(RunSummary("", "", None, None)))
        board.app.push_screen(Asides(found, more, board.words, play=play))

    board.ask(lambda: api.read_asides(snapshot.workspace, snapshot.run), show)


def open_chip(board: Seeking) -> None:
    """The device under the cursor, live."""
    from r3d_tui.screens.chip import ChipPage
    from r3d_tui.views.chip import processes_on
    from r3d_tui.views.devices import joined

    def devices() -> tuple[Device, ...]:
        return joined(board.snapshot) if board.snapshot is not None else ()

    def ask(device: str, then: Callable[[Processes], None]) -> None:
        def work() -> DeviceTable:
            from backends import api

            return api.read_devices("live")

        board.ask(work, lambda table: then(processes_on(device, table)))

    def take_out(device: str) -> None:
        board.device = device
        board.action_device()

    if not board.device:
        board.say("devices.none")
        return
    page = ChipPage(
        board.device,
        board.words,
        devices=devices,
        tracks=lambda: board.tracks.by_device,
        rates=lambda: board.rates,
        snapshot=lambda: board.snapshot,
        ask=ask,
        take=None if board.read_only else take_out,
        clock=board.app_clock,
    )
    board.app.push_screen(page)


def open_kept(board: Doing, run: str) -> None:
    """What the devices of an earlier run did, as far as their readings were kept."""
    client = board.client

    def show(found: tuple[dict[str, Track], tuple[Device, ...]]) -> None:
        from r3d_tui.screens.chip import ChipPage

        tracks, devices = found
        if not devices:
            board.say("chip.none")
            return
        page = ChipPage(
            devices[0].id,
            board.words,
            devices=lambda: devices,
            tracks=lambda: tracks,
            rates=dict,
            snapshot=lambda: None,
        )
        board.app.push_screen(page)

    def find() -> tuple[dict[str, Track], tuple[Device, ...]]:
        from r3d_tui.views.devices import Device
        from r3d_tui.views.tracks import tracks_of

        samples = client.history(run)
        latest = {sample.device: sample for sample in samples}
        return tracks_of(samples), tuple(Device(name, None, sample) for name, sample in latest.items())

    board.ask(find, show)


def player(board: Doing, found: RunResult) -> Callable[[str], None]:
    """Shows the clips of a video of that result, by its name."""

    def play(video: str) -> None:
        def find() -> tuple[tuple[VideoEntry, ...], Mapping[str, Prediction]]:
            from backends import api

            one = api.find_video(board.client.workspace, video)
            return (one,) if one and one.clips else (), by_name(found.predictions)

        def show(answer: tuple[tuple[VideoEntry, ...], Mapping[str, Prediction]]) -> None:
            from r3d_tui.screens.player import Player

            entries, predictions = answer
            if not entries:
                board.say("videos.no_clips")
                return
            board.app.push_screen(Player(entries, 0, predictions, board.words, fetch=fetcher(board)))

        board.ask(find, show)

    return play


def open_videos(board: Doing) -> None:
    """Show the data set's videos, with what the latest run took them for; an error where no clips were made yet."""
    client = board.client

    def find() -> tuple[tuple[ClassEntry, ...], Mapping[str, Prediction]]:
        from backends import api
        from r3d_tui.views.videos import classes

        with calm():
            videos = api.list_videos(client.workspace)
            scored = [run for run in client.runs() if run.top1 is not None]
            named = by_name(client.result(scored[0].id).predictions if scored else ())
            return classes(videos, named), named

    def show(found: tuple[tuple[ClassEntry, ...], Mapping[str, Prediction]]) -> None:
        from r3d_tui.screens.videos import Videos

        board.app.push_screen(Videos(*found, board.words, fetch=fetcher(board)))

    board.ask(find, show)


def fetcher(board: Doing) -> Callable[..., None]:
    """Reads and draws a clip in a thread, where NumPy may take its time."""
    app = board.app
    colours = not (app.native_ansi_color or app.no_color or getattr(app, "ascii_only", False))
    workspace = board.client.workspace

    def fetch(video: str, clip: int, side: int, then: Callable[[ClipFrames, Any], None]) -> None:
        def work() -> tuple[ClipFrames, Any]:
            from backends import api
            from r3d_tui.views.picture import pictures

            frames = api.clip_frames(workspace, video, clip, side)
            return frames, pictures(frames, colours=colours)

        board.ask(work, lambda found: then(*found))

    return fetch


def make_bundle(board: Doing) -> None:
    """What `doctor --bundle` writes, into the workspace; what is said stays until it is closed."""
    client, snapshot = board.client, board.snapshot
    place = client.workspace / ".r3d" / "texts" / f"bundle-{int(board.app_clock())}.tar.gz"

    def pack() -> Bundle:
        from backends import api
        from r3d_tui.headless.documents import status_document

        place.parent.mkdir(parents=True, exist_ok=True)
        documents = {"status.json": status_document(snapshot)} if snapshot else {}
        return api.make_bundle(client.workspace, place, documents)

    def tell(made: Bundle) -> None:
        text = board.words("bundle.wrote", path=str(made.path), n=len(made.files), size=figures.size(made.bytes))
        board.app.notify(text, markup=False, timeout=20)

    board.say("bundle.packing")
    board.ask(pack, tell)
