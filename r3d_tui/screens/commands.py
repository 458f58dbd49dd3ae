"""Every command of the board by its name, a function each. Keys, palette and clicks come here; tests call them too."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from msgspec.structs import replace
from textual.app import SuspendNotSupported

from backends.core.messages import Line
from r3d_tui.screens import opening, run_commands
from r3d_tui.screens.board import Board, Command
from r3d_tui.screens.dialog import Dialog
from r3d_tui.screens.host import write_text
from r3d_tui.terminal import tty
from r3d_tui.text.rows import Row
from r3d_tui.views import dialogs, stages
from r3d_tui.views.actions import ACTIONS
from r3d_tui.views.devices import ORDERS, Arrangement
from r3d_tui.views.frame import NEXT, possible
from r3d_tui.views.layout import PANELS
from r3d_tui.views.look import Look, stage_word
from r3d_tui.views.look import stages as stages_of
from r3d_tui.views.phase import failed_stage, fix_before


def next_step(board: Board) -> None:
    """Enter: what is behind the panel that was chosen, else the next step of the phase."""
    if board.state.current in ("main", "chips"):
        at_chips = board.state.current == "chips" and board.state.devices
        contradicted = board.state.phase == "ready" and fix_before(board.state.overview) is not None
        board.do("open" if at_chips else "fix" if contradicted else NEXT[board.state.phase])
    else:
        open_panel(board)


def open_panel(board: Board) -> None:
    """What is behind the panel: results, videos, the marked chip, else all about the stage."""
    state = board.state
    behind = {"accuracy": "results", "data": "videos", "chips": "chip", "main": "chip", "runs": "runs"}
    name = behind.get(state.current, "details")
    if name == "results" and (state.snapshot is None or state.snapshot.report is None):
        name = "details"
    board.do("details" if name == "chip" and not state.devices else name)


def details(board: Board) -> None:
    name = board.state.selected

    def rows(look: Look) -> list[Row]:
        if board.state.snapshot is None:
            return []
        return stages.details(board.state.snapshot, Look(look.words, look.width, look.height, board.now, name))

    board.app.push_screen(Dialog(stage_word(board.words, name), rows, board.words, also_shuts="d,enter", width=100))


def move(board: Board, step: int) -> None:
    state = board.state
    if state.current == "stages":
        next_stage(board, step)
    elif state.current == "main" and "clip" in board.boxes and state.snapshot and state.snapshot.report:
        state.wrong = max(0, min(len(state.snapshot.report.worst) - 1, state.wrong + step))
        board.draw()
    elif state.current in ("main", "chips") and (ids := [one.id for one in state.listed(board.words)]):
        place = ids.index(state.device) if state.device in ids else 0
        board.action_pick_device(ids[max(0, min(len(ids) - 1, place + step))])
    else:
        board.panel_now.scroll_rows(step)


def scroll_page(board: Board, way: int) -> None:
    board.panel_now.scroll_rows(way * max(1, board.panel_now.page - 1))


def scroll_far(board: Board, way: int) -> None:
    board.panel_now.scroll_rows(way * board.panel_now.row_count)


def next_stage(board: Board, step: int) -> None:
    state = board.state
    names = [stage.name for stage in stages_of(state.snapshot)] if state.snapshot else []
    if names:
        place = names.index(state.selected) if state.selected in names else 0
        board.action_choose(names[max(0, min(len(names) - 1, place + step))])


def next_panel(board: Board, step: int) -> None:
    place = PANELS.index(board.state.current) if board.state.current in PANELS else 0
    board.action_panel(PANELS[(place + step) % len(PANELS)])


def follow(board: Board) -> None:
    """Look at whatever runs, from here on."""
    board.state.pinned = None
    board.log_panel.at_end = True
    board.draw()


def failure(board: Board) -> None:
    failed = failed_stage(board.state.snapshot) if board.state.snapshot else None
    if failed is None:
        board.say("say.no_failure")
        return
    board.state.pinned, board.state.zoomed = failed.name, False
    board.action_panel("main")


def zoom(board: Board) -> None:
    board.state.zoomed = not board.state.zoomed
    board.relayout()


def order(board: Board) -> None:
    """Order the chips by the next figure; after the last, by their numbers again."""
    arrangement = board.state.arrangement
    turned = arrangement.order + 1
    board.state.arrangement = replace(arrangement, order=turned if turned < len(ORDERS) else -1)
    board.action_panel("chips")


def show_all(board: Board) -> None:
    """Forget filter and order of the chips, and the search in the log."""
    board.state.arrangement = Arrangement()
    board.state.book.search("")
    board.state.book.only = False
    board.draw()


def only(board: Board) -> None:
    """In the log only the lines that match, or all again."""
    book = board.state.book
    if not book.pattern:
        board.say("say.no_pattern")
        return
    book.only = not book.only
    board.action_panel("log")


def search(board: Board) -> None:
    """Filter the chips where they are looked at, else search the log."""
    from r3d_tui.screens.entry_line import EntryLine  # 20 ms that nobody else needs

    state = board.state

    def filter_chips(text: str) -> None:
        state.arrangement = replace(state.arrangement, pattern=text)
        ids = [one.id for one in state.listed(board.words)]
        if ids and state.device not in ids:
            state.device = ids[0]
        board.draw()

    def search_log(text: str) -> None:
        state.book.search(text)
        board.show_match(state.book.here)

    if state.current == "chips":
        entry = EntryLine(state.arrangement.pattern, board.words("list.hint"), filter_chips)
    else:
        board.action_panel("log")
        entry = EntryLine(state.book.pattern, board.words("log.search"), search_log)
    board.app.push_screen(entry)


def next_match(board: Board, step: int) -> None:
    board.show_match(board.state.book.turn(step))


def palette(board: Board) -> None:
    from r3d_tui.screens.palette import Palette

    snapshot, read_only = board.state.snapshot, board.host.read_only
    offered = tuple(a for a in ACTIONS if a.palette and possible(a, snapshot, read_only=read_only))
    board.app.push_screen(Palette(offered, board.words), lambda name: board.do(name) if name else None)


def help_screen(board: Board) -> None:
    title = board.words("help.title")
    board.app.push_screen(Dialog(title, dialogs.help_rows, board.words, also_shuts="question_mark,f1"))


def language(board: Board) -> None:
    board.host.turn_language()
    board.draw()


def copy(board: Board) -> None:
    """The panel's text to the terminal's clipboard (OSC 52)."""
    board.app.copy_to_clipboard(board.panel_now.plain_text())
    board.say("say.copied")


def write(board: Board) -> None:
    """The panel's text to a file in the workspace, where a clipboard does not work."""
    if not board.allowed():
        return
    folder, name, text, now = board.host.client.workspace, board.state.current, board.panel_now.plain_text(), board.now
    board.ask(lambda: write_text(folder, name, text, now), lambda place: board.say("say.written", path=str(place)))


def pager(board: Board) -> None:
    name, client = board.state.selected, board.host.client
    board.ask(lambda: client.log_path(name), lambda path: _leave(board, tty.page, path))


def edit_settings(board: Board) -> None:
    """`r3d.toml` in $EDITOR."""
    if board.allowed():
        _leave(board, tty.edit, board.host.client.workspace / "r3d.toml")


def compare_batches(board: Board) -> None:
    """Rate and latency of several batch sizes, measured in the terminal while nothing runs."""
    if board.allowed() and run_commands.is_idle(board):
        prompt = board.words("batches.back")
        _leave(board, partial(tty.compare_batches, prompt=prompt), board.host.client.workspace / "r3d.toml")


def _leave(board: Board, go: Callable[[Path], Line | None], path: Path | None) -> None:
    if path is None:
        board.say("say.no_file")
    else:
        board.host.when_answered(lambda: _go(board, go, path))


def _go(board: Board, go: Callable[[Path], Line | None], path: Path) -> None:
    try:
        with board.app.suspend():
            wrong = go(path)
    except SuspendNotSupported:  # in a browser there is no terminal to hand over
        board.say("say.no_terminal", path=str(path))
        return
    board.app.refresh()
    if wrong is not None:
        board.show_error(wrong)


COMMANDS: Mapping[str, Command] = {
    "start": run_commands.start,
    "run": run_commands.run,
    "fix": run_commands.fix,
    "rerun_failed": run_commands.rerun_failed,
    "rerun_from": run_commands.rerun_from,
    "stop": run_commands.stop,
    "device": run_commands.toggle_device,
    "batches": compare_batches,
    "new": opening.open_setup,
    "demo": opening.leave_for_demo,
    "next": next_step,
    "open": open_panel,
    "details": details,
    "chip": opening.open_chip,
    "results": partial(opening.open_browser, page="matrix"),
    "videos": partial(opening.open_browser, page="classes"),
    "skipped": partial(opening.open_browser, page="skipped"),
    "runs": partial(opening.open_browser, page="runs"),
    "bundle": opening.make_bundle,
    "log": lambda board: board.action_panel("log"),
    "search": search,
    "only": only,
    "order": order,
    "show_all": show_all,
    "next_match": partial(next_match, step=1),
    "previous_match": partial(next_match, step=-1),
    "failure": failure,
    "follow": follow,
    "zoom": zoom,
    "next_panel": partial(next_panel, step=1),
    "previous_panel": partial(next_panel, step=-1),
    "down": partial(move, step=1),
    "up": partial(move, step=-1),
    "next_stage": partial(next_stage, step=1),
    "previous_stage": partial(next_stage, step=-1),
    "page_down": partial(scroll_page, way=1),
    "page_up": partial(scroll_page, way=-1),
    "first": partial(scroll_far, way=-1),
    "last": partial(scroll_far, way=1),
    "copy": copy,
    "write": write,
    "pager": pager,
    "edit": edit_settings,
    "language": language,
    "theme": lambda board: board.host.turn_theme(),
    "redraw": lambda board: board.host.action_redraw(),
    "palette": palette,
    "help": help_screen,
    "quit": lambda board: board.host.leave(),
}
