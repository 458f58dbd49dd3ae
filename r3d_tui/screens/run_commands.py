"""Commands that begin, change or end a run. Every question to the client goes through a thread; nothing blocks here."""

from contextlib import suppress

from backends import api
from backends.core.client import Preview, RunRequest
from backends.core.messages import BusyError
from r3d_tui.screens.board import Board
from r3d_tui.screens.dialog import Dialog
from r3d_tui.views import dialogs
from r3d_tui.views.chips import devices_setting, included, number_of
from r3d_tui.views.devices import short_id
from r3d_tui.views.look import paragraph, stage_word
from r3d_tui.views.phase import computes, failed_stage, fix_before, fix_of, running_stages


def start(board: Board) -> None:
    """Run what is not up to date; its plan stands on the screen."""
    if board.allowed() and is_idle(board):
        _start(board, RunRequest())


def run(board: Board) -> None:
    """Preview a run of what is not up to date, and start it. A failure that would only repeat itself is announced."""
    snapshot = board.state.snapshot
    failed = failed_stage(snapshot) if snapshot is not None else None
    title = board.words("preview.title")
    if failed is not None:
        title = board.words("preview.repeat", stage=stage_word(board.words, failed.name))
    _preview(board, RunRequest(), title)


def rerun_failed(board: Board) -> None:
    """Preview a rerun of what failed and what depends on it, and start it."""
    _preview(board, RunRequest("rerun"), board.words("preview.rerun"))


def rerun_from(board: Board) -> None:
    """Preview a rerun of the selected stage and what depends on it, and start it."""
    if name := board.state.selected:
        title = board.words("preview.from", stage=stage_word(board.words, name))
        _preview(board, RunRequest("rerun", stages=(name,)), title)


def fix(board: Board) -> None:
    """Apply the fix of what failed, where it is a setting, and rerun; else the rerun with its preview.

    A run that is on goes on: what the setting does not concern keeps working. Before a run only the setting is written.
    """
    before = fix_before(board.state.overview) if board.state.phase == "ready" else None
    proposed = before or fix_of(board.state.snapshot)
    if proposed is None:
        rerun_failed(board)
        return
    if not board.allowed():
        return
    client = board.host.client
    setting, value = proposed

    def work() -> str:
        api.change_setting(client.workspace, setting, value)
        with suppress(BusyError):  # f was pressed twice: what failed runs already
            return "" if before else client.start(RunRequest("rerun"))
        return ""

    board.say("say.set" if before else "say.fixed", setting=setting, value=value)
    board.ask(work, lambda _: None)


def is_idle(board: Board) -> bool:
    if board.state.running:
        board.say("say.running")
    return not board.state.running


def _preview(board: Board, request: RunRequest, title: str) -> None:
    beside = request.mode == "rerun" and not request.stages and board.state.phase == "failed"
    if board.allowed() and (beside or is_idle(board)):
        board.say("say.looking")
        client = board.host.client
        board.ask(lambda: client.preview(request), lambda found: _confirm(board, request, title, found))


def _confirm(board: Board, request: RunRequest, title: str, found: tuple[Preview, ...]) -> None:
    """Show a preview; Enter starts the run, a accepts what may be accepted and shows the preview after it."""
    words, client = board.words, board.host.client
    acceptable = tuple(one.stage for one in found if one.acceptable)
    choices: tuple[tuple[str, str], ...] = (("enter,y", "preview.go"),)
    if acceptable:
        choices += (("a", "preview.accept"),)

    def chosen(choice: str | None) -> None:
        if choice == "a":
            board.ask(lambda: client.accept(request, acceptable), lambda after: _confirm(board, request, title, after))
        elif choice:
            _start(board, request)

    board.app.push_screen(Dialog(title, lambda look: dialogs.preview(found, look), words, choices=choices), chosen)


def _start(board: Board, request: RunRequest) -> None:
    client = board.host.client
    board.ask(lambda: client.start(request), lambda name: board.say("say.started", run=name))


def stop(board: Board) -> None:
    if not board.allowed():
        return
    if not board.state.running:
        board.say("say.not_running")
        return
    words, client = board.words, board.host.client

    def chosen(choice: str | None) -> None:
        if choice:
            board.ask(client.stop, lambda _: board.say("say.stopping"))

    dialog = Dialog(
        words("stop.title"),
        lambda look: paragraph(words("stop.text"), look.width),
        words,
        choices=(("y", "stop.yes"),),
        width=64,
    )
    board.app.push_screen(dialog, chosen)


def toggle_device(board: Board) -> None:
    """Exclude the device under the cursor, or include it: in the run's inference, else in `infer.devices`."""
    state = board.state
    one = next((device for device in state.devices if device.id == state.device), None)
    if one is None or state.snapshot is None or not board.allowed():
        return
    out = included(one, state.snapshot.settings)
    if state.running:
        _toggle_in_run(board, one.id, "out" if out else "in")
    elif state.snapshot.settings is not None:
        _choose(board, one.id, out=out)
    else:
        board.say("say.no_workspace")


def _toggle_in_run(board: Board, device: str, take: str) -> None:
    """At once where inference runs; before it, as soon as it does."""
    state = board.state
    if state.snapshot is None:
        return
    stage = next((one.name for one in running_stages(state.snapshot) if computes(one)), None)
    if stage is None:
        wished = "in" if state.wishes.get(device) == "out" else take
        state.wishes[device] = wished
        board.say(f"say.device_later_{wished}", device=short_id(device))
        return
    command = {"command": "device", "id": device, "take": take}
    client = board.host.client
    board.ask(
        lambda: client.command(stage, command), lambda _: board.say(f"say.device_{take}", device=short_id(device))
    )


def send_wishes(board: Board) -> None:
    """What was excluded or included before inference began."""
    state = board.state
    wishes, state.wishes = state.wishes, {}
    for device, take in wishes.items():
        _toggle_in_run(board, device, take)


def _choose(board: Board, device: str, *, out: bool) -> None:
    """Write the chosen devices to r3d.toml; a choice of all that would be taken anyway takes the setting out."""
    state = board.state
    settings = state.snapshot.settings if state.snapshot is not None else None
    everything = [one for one in state.devices if number_of(one.id) >= 0]
    chosen = {number_of(one.id) for one in everything if included(one, settings)}
    chosen = chosen - {number_of(device)} if out else chosen | {number_of(device)}
    if not chosen:
        board.say("say.last_device")
        return
    free = {number_of(one.id) for one in everything if one.sample is None or not one.sample.not_taken.template}
    value = devices_setting(chosen, free)
    workspace = board.host.client.workspace
    board.ask(
        lambda: api.change_setting(workspace, "infer.devices", value),
        lambda _: board.say("say.excluded" if out else "say.included", device=short_id(device)),
    )
