"""The part of the board that asks: runs, stops, previews, devices, text that leaves the console. Every question to the
client goes through a thread; nothing here blocks the event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from textual.app import SuspendNotSupported

from backends.core.client import Client, Preview, RunRequest, Snapshot
from backends.core.errors import R3dError
from backends.core.messages import Line, line
from r3d_tui.lang.words import Words
from r3d_tui.screens.dialog import Dialog
from r3d_tui.screens.host import Host
from r3d_tui.state.console_messages import Answer
from r3d_tui.terminal.textual_workarounds import HeldScreen
from r3d_tui.views import dialogs, stages
from r3d_tui.views.actions import ACTIONS
from r3d_tui.views.frame import possible
from r3d_tui.views.look import Look, paragraph, stage_of, stage_word

if TYPE_CHECKING:
    from r3d_tui.panels.panel import Panel

T = TypeVar("T")


class Doing(HeldScreen):
    """Actions that need the client. `Board` adds the drawing."""

    snapshot: Snapshot | None
    device: str
    searching = False
    _asked_setup = False

    @property
    def console_app(self) -> Host:
        """The app, as what it is."""
        app: Any = self.app
        return app  # type: ignore[no-any-return]

    @property
    def client(self) -> Client:
        """The run's client; only threads call it."""
        return self.console_app.client

    @property
    def words(self) -> Words:
        """The language."""
        return self.console_app.words

    @property
    def read_only(self) -> bool:
        """Nothing may be started or changed from here."""
        return self.console_app.read_only

    def app_clock(self) -> float:
        """Wall time."""
        return self.console_app.clock()

    @property
    def selected(self) -> str:
        """The board's."""
        raise NotImplementedError

    @property
    def log_seen(self) -> bool:
        """The board's."""
        raise NotImplementedError

    def draw(self) -> None:
        """The board's."""
        raise NotImplementedError

    def panel_now(self) -> Panel:
        """The board's."""
        raise NotImplementedError

    def ask(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Do `work` in a thread and `then` in the event loop; an error is shown."""

        def run() -> None:
            try:
                found = work()
            except R3dError as error:
                trouble = error
                self.post_message(Answer(lambda: self.show_trouble(trouble)))
            except Exception as error:  # noqa: BLE001 - shown as a sentence; the console goes on
                text = line("{error}: {text}", error=type(error).__name__, text=str(error)[:300])
                self.post_message(Answer(lambda: self.show_trouble(text)))
            else:
                self.post_message(Answer(lambda: then(found)))

        threading.Thread(target=run, name="ask", daemon=True).start()

    def say(self, key: str, **facts: str | int) -> None:
        """A small word that goes away by itself."""
        self.app.notify(self.words(key, **facts), markup=False, timeout=4)

    def show_trouble(self, error: R3dError | Line) -> None:
        """An error and its mend, until it is closed."""
        title = self.words("dialog.trouble")
        self.app.push_screen(Dialog(title, lambda look: dialogs.trouble(error, look), self.words, width=76, bad=True))

    def allowed(self) -> bool:
        """False, with a word, where the console only watches."""
        if self.read_only:
            self.say("say.read_only")
        return not self.read_only

    def watch_log(self) -> None:
        """Follow the log of the selected stage while its panel is seen."""
        stage = self.selected if self.log_seen and self.selected else None
        attempt = stage_of(self.snapshot, stage).attempt if stage and self.snapshot else 0
        self.console_app.feed.watch(stage, attempt)

    def action_run(self) -> None:
        """Preview a run of what is not up to date, and start it."""
        self._preview(RunRequest(), "preview.title")

    def action_rerun_failed(self) -> None:
        """Preview a rerun of what failed and what hangs on it, and start it."""
        self._preview(RunRequest("rerun"), "preview.rerun")

    def action_rerun_from(self) -> None:
        """Preview a rerun of the selected stage and what hangs on it, and start it."""
        if self.selected:
            self._preview(RunRequest("rerun", stages=(self.selected,)), "preview.from")

    def _preview(self, request: RunRequest, key: str) -> None:
        if not self.allowed():
            return
        if self.snapshot is not None and self.snapshot.run.state == "running" and self.snapshot.alive:
            self.say("say.running")
            return
        title = self.words(key, stage=stage_word(self.words, self.selected))

        self.say("say.looking")
        self.ask(lambda: self.client.preview(request), lambda found: self._confirm(request, title, found))

    def _confirm(self, request: RunRequest, title: str, found: tuple[Preview, ...]) -> None:
        """Show a preview; Enter starts the run, a accepts what may be accepted and shows the preview after it."""
        self.app.clear_notifications()
        acceptable = tuple(one.stage for one in found if one.acceptable)
        choices: tuple[tuple[str, str], ...] = (("enter,y", self.words("preview.go")),)
        if acceptable:
            choices += (("a", self.words("preview.accept")),)

        def chosen(choice: str | None) -> None:
            if choice == "a":
                self.ask(
                    lambda: self.client.accept(request, acceptable), lambda after: self._confirm(request, title, after)
                )
            elif choice:
                self._start(request)

        self.app.push_screen(
            Dialog(title, lambda look: dialogs.preview(found, look), self.words, choices=choices), chosen
        )

    def _start(self, request: RunRequest) -> None:
        self.ask(lambda: self.client.start(request), lambda run: self.say("say.started", run=run))

    def action_stop(self) -> None:
        """Ask once, then stop the run."""
        if not self.allowed():
            return
        if self.snapshot is None or self.snapshot.run.state != "running":
            self.say("say.not_running")
            return
        words = self.words

        def stop(choice: str | None) -> None:
            if choice:
                self.ask(self.client.stop, lambda _: self.say("say.stopping"))

        choices = (("y", words("stop.yes")),)
        dialog = Dialog(words("stop.title"), _text(words, "stop.text"), words, choices=choices, width=64)
        self.app.push_screen(dialog, stop)

    def action_device(self) -> None:
        """Take the device under the cursor out of the run, or back in."""
        if self.snapshot is None or not self.allowed():
            return
        if not any(stage.name == "infer" and stage.state == "running" for stage in self.snapshot.run.stages):
            self.say("say.no_inference")
            return
        mine = next((device for device in self.snapshot.run.devices if device.id == self.device), None)
        take = "in" if mine is not None and mine.state in ("out", "retired") else "out"
        command = {"command": "device", "id": self.device, "take": take}
        name = self.device
        self.ask(lambda: self.client.command("infer", command), lambda _: self.say(f"say.device_{take}", device=name))

    def action_details(self) -> None:
        """All about the selected stage."""
        name = self.selected

        def rows(look: Look) -> list[Any]:
            if self.snapshot is None:
                return []
            return stages.details(self.snapshot, Look(look.words, look.width, look.height, self.app_clock(), name))

        self.app.push_screen(Dialog(stage_word(self.words, name), rows, self.words, also_shuts="d,enter", width=100))

    def action_runs(self) -> None:
        """The runs of this workspace."""
        from r3d_tui.screens.browsing import open_runs
        from r3d_tui.screens.opening import open_kept

        open_runs(self, lambda run: open_kept(self, run))

    def action_asides(self) -> None:
        """What the run set aside."""
        from r3d_tui.screens.browsing import open_skipped

        open_skipped(self)

    def action_open(self) -> None:
        """What is behind the panel: the results, else all about the stage."""
        if self.panel_now().panel == "result" and self.snapshot is not None and self.snapshot.report is not None:
            self.action_results()
        elif self.panel_now().panel == "dataset":
            self.action_videos()
        elif self.panel_now().panel in ("devices", "infer"):
            self.action_chip()
        else:
            self.action_details()

    def action_chip(self) -> None:
        """All about the device under the cursor."""
        raise NotImplementedError

    def action_results(self) -> None:
        """The latest result large, with an earlier one beside it."""
        from r3d_tui.screens.browsing import open_results

        open_results(self)

    def action_videos(self) -> None:
        """The data set's classes, videos and clips."""
        from r3d_tui.screens.browsing import open_videos

        open_videos(self)

    def action_help(self) -> None:
        """Keys and signs."""
        self.app.push_screen(
            Dialog(self.words("help.title"), dialogs.help_rows, self.words, also_shuts="question_mark,f1")
        )

    def action_palette(self) -> None:
        """Everything that can be done now."""
        from r3d_tui.screens.palette import Palette

        offered = tuple(a for a in ACTIONS if a.palette and possible(a, self.snapshot, read_only=self.read_only))
        self.app.push_screen(Palette(offered, self.words), self._do)

    async def _do(self, name: str | None) -> None:
        if name:
            await self.run_action(f"screen.{name}")

    def action_language(self) -> None:
        """The other language."""
        self.console_app.turn_language()
        self.draw()

    def action_redraw(self) -> None:
        """The whole screen again: somebody else wrote to the terminal."""
        self.console_app.action_redraw()

    def action_theme(self) -> None:
        """The next theme."""
        self.console_app.turn_theme()

    def action_copy(self) -> None:
        """The panel's text to the terminal's clipboard (OSC 52)."""
        self.app.copy_to_clipboard(self.panel_now().plain_text())
        self.say("say.copied")

    def action_write(self) -> None:
        """The panel's text to a file in the workspace, where a clipboard does not work."""
        self.write_text(self.panel_now().panel, self.panel_now().plain_text())

    def write_text(self, name: str, text: str) -> None:
        """A text to a file in the workspace, and say where."""
        if not self.allowed():
            return
        folder = self.client.workspace

        def write() -> str:
            place = folder / ".r3d" / "texts" / f"{name}-{int(self.app_clock())}.txt"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
            return str(place)

        self.ask(write, lambda place: self.say("say.written", path=place))

    def action_bundle(self) -> None:
        """A bundle to send to a colleague, in the workspace."""
        from r3d_tui.screens.opening import make_bundle

        if self.allowed():
            make_bundle(self)

    def action_pager(self) -> None:
        """The raw log in $PAGER."""
        from r3d_tui.terminal.external_programs import page

        name = self.selected
        self.ask(lambda: self.client.log_path(name), lambda path: self._leave(page, path))

    def action_edit(self) -> None:
        """`r3d.toml` in $EDITOR."""
        from r3d_tui.terminal.external_programs import edit

        if self.allowed():
            self._leave(edit, self.client.workspace / "r3d.toml")

    def _leave(self, go: Callable[[Any], Line | None], path: Any) -> None:
        if path is None:
            self.say("say.no_file")
        else:
            self.console_app.when_answered(lambda: self._go(go, path))

    def _go(self, go: Callable[[Any], Line | None], path: Any) -> None:
        try:
            with self.app.suspend():
                trouble = go(path)
        except SuspendNotSupported:  # in a browser there is no terminal to hand over
            self.say("say.no_terminal", path=str(path))
            return
        self.app.refresh()
        if trouble is not None:
            self.show_trouble(trouble)

    def action_quit(self) -> None:
        """Leave; the run goes on."""
        self.console_app.leave()

    def offer_setup(self) -> None:
        """Where there is no workspace yet, open the form that makes one. Asked once."""
        if self._asked_setup or self.snapshot is None:
            return
        self._asked_setup = True
        if self.snapshot.settings is not None or self.snapshot.run.id or self.read_only:
            return
        folder = self.client.workspace

        def missing() -> bool:
            from backends import api

            return api.find_workspace(folder) is None

        def form(none: bool) -> None:
            if none:
                from r3d_tui.screens.setup import Setup

                self.app.push_screen(Setup(folder, self.words))

        self.ask(missing, form)


def _text(words: Words, key: str) -> Callable[[Look], list[Any]]:
    return lambda look: paragraph(words(key), look.width)
