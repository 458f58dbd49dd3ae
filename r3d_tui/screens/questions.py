"""What the board's state lacks after a snapshot, asked in threads: plan, overview, fix, runs, histories, devices."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from backends import api
from backends.core.client import RunRequest, Snapshot
from backends.core.settings import Settings
from r3d_tui.screens.board import Board
from r3d_tui.screens.run_commands import send_wishes
from r3d_tui.state.feed import DevicePoll
from r3d_tui.views.phase import durations, fix_of, infer_runs
from r3d_tui.views.tracks import Track, tracks_of

LOOKED_BACK = 3
"""Runs in which a stage's duration is looked for."""
SOON_S = 0.05
"""What the first picture does not need is asked as soon as it stands."""


class Questions:
    """One board's. Each question is asked once for what it depends on."""

    def __init__(self, *, live: bool) -> None:
        """`live`: the devices and the data are this machine's, and are looked at; a recorded run has its own."""
        self._live = live
        self._asked: dict[str, object] = {}
        self._poll: DevicePoll | None = None

    def changed(self, board: Board) -> None:
        snapshot = board.state.snapshot
        if snapshot is None:
            return
        if self._live:
            board.set_timer(SOON_S, lambda: self._follow_devices(board))
        if snapshot.run.id:
            self._once(board, "tracks", snapshot.run.id, lambda: _ask_tracks(board, snapshot.run.id))
        settled = (snapshot.run.id, snapshot.run.state, snapshot.settings, snapshot.problem)
        if not board.state.running:
            self._once(board, "plan", settled, lambda: _ask_plan(board, snapshot))
        if snapshot.run.id:
            earlier = snapshot.run.id if board.state.running else ""
            self._once(board, "took", (snapshot.run.id, earlier), lambda: _ask_took(board, earlier))
        self._once(board, "runs", (snapshot.run.id, snapshot.run.state), lambda: _ask_runs(board))
        if board.state.wishes and infer_runs(snapshot):
            send_wishes(board)
        self._once(board, "fix", (fix_of(snapshot), snapshot.settings), lambda: _ask_fix(board, snapshot))
        if snapshot.settings is None and not snapshot.run.id and not board.host.read_only:
            self._once(board, "setup", True, lambda: _offer_setup(board, snapshot))
        if self._live and (settings := snapshot.settings) is not None and board.state.phase == "ready":
            key = (settings.dataset, settings.model, settings.infer.target)
            self._once(board, "overview", key, lambda: _ask_overview(board, settings))

    def end(self) -> None:
        if self._poll is not None:
            self._poll.end()

    def _once(self, board: Board, name: str, key: object, ask: Callable[[], None]) -> None:
        if self._asked.get(name) != key:
            self._asked[name] = key
            board.set_timer(SOON_S, ask)

    def _follow_devices(self, board: Board) -> None:
        """By our own sampler, as long as no engine has one at work."""
        snapshot = board.state.snapshot
        if snapshot is None:
            return
        if self._poll is None:
            self._poll = DevicePoll(board.post_message)
        target = snapshot.settings.infer.target if snapshot.settings is not None else api.likely_target()
        self._poll.want("" if snapshot.alive else target)


def _ask_tracks(board: Board, run: str) -> None:
    """What the devices' sensors reported before this console came."""
    client = board.host.client

    def take(found: dict[str, Track]) -> None:
        board.state.tracks.put(run, found)
        board.draw()

    board.ask(lambda: tracks_of(client.history(run)), take)


def _fill(
    board: Board, field: Literal["plan", "runs", "took", "change", "overview"], work: Callable[[], object]
) -> None:
    """Put what `work` finds into the board's state; what the outside world refuses stays unknown."""

    def take(found: object) -> None:
        setattr(board.state, field, found)
        board.draw()

    board.ask(work, take, lambda: None)


def _ask_plan(board: Board, snapshot: Snapshot) -> None:
    client = board.host.client
    if snapshot.settings is None or snapshot.problem.template or board.state.phase in ("failed", "done"):
        return
    board.state.plan = None
    _fill(board, "plan", lambda: client.preview(RunRequest()))


def _ask_runs(board: Board) -> None:
    if "runs" in board.boxes:
        _fill(board, "runs", board.host.client.runs)


def _ask_took(board: Board, run: str) -> None:
    """What the stages took in runs other than `run`, for the time left and for the time that a run would take."""
    client = board.host.client

    def work() -> dict[str, float]:
        earlier = [one.id for one in client.runs() if one.id != run][:LOOKED_BACK]
        return durations(client.result(one).state for one in earlier)

    _fill(board, "took", work)


def _ask_fix(board: Board, snapshot: Snapshot) -> None:
    proposed = fix_of(snapshot)
    board.state.change = None
    if proposed is None:
        return
    workspace = board.host.client.workspace
    _fill(board, "change", lambda: api.plan_change(workspace, *proposed))


def _offer_setup(board: Board, snapshot: Snapshot) -> None:
    """Where there is no workspace yet, open the form that makes one."""
    folder = snapshot.workspace

    def form(workspace: Path | None) -> None:
        if workspace is None:
            board.do("new")

    board.ask(lambda: api.find_workspace(folder), form)


def _ask_overview(board: Board, settings: Settings) -> None:
    """Counted in a process of its own: a disk may be slow, and a checkpoint brings torch."""
    workspace = board.host.client.workspace
    _fill(board, "overview", lambda: api.overview(workspace, settings))
