"""The rail and the panels that only show a view, one class each."""

from __future__ import annotations

from r3d_tui.panels.panel import Panel, Scene
from r3d_tui.text.rows import Row, about
from r3d_tui.views import dataset, devices, infer, model, result, stages
from r3d_tui.views.frame import problem
from r3d_tui.views.look import Look, paragraph
from r3d_tui.views.look import stages as stages_of


class RailPanel(Panel):
    """The stages in short; always there where one panel is shown at a time."""

    panel = "rail"
    DEFAULT_CSS = "RailPanel { padding: 0; }"

    def rows(self, scene: Scene, look: Look) -> list[Row]:
        """The rail."""
        return stages.rail(scene.snapshot, look)

    def cursor(self, scene: Scene) -> int | None:
        """The selected stage."""
        return _selected(scene)


class StagesPanel(Panel):
    """The stages with state, time and reason."""

    panel = "stages"

    def rows(self, scene: Scene, look: Look) -> list[Row]:
        """The whole table, or what stands beside the rail."""
        table = stages.stage_table if scene.dashboard else stages.companion
        rows = table(scene.snapshot, look)
        text = problem(scene.snapshot, look)
        return [*rows, (), *paragraph(text, look.width, "bad")] if text else rows

    def cursor(self, scene: Scene) -> int | None:
        """The selected stage; under the heading where there is one."""
        place = _selected(scene)
        return None if place is None else place + scene.dashboard


class DatasetPanel(Panel):
    """The data set."""

    panel = "dataset"

    def rows(self, scene: Scene, look: Look) -> list[Row]:
        """Its view."""
        return dataset.dataset(scene.snapshot, look)


class ModelPanel(Panel):
    """The conversion."""

    panel = "model"

    def rows(self, scene: Scene, look: Look) -> list[Row]:
        """Its view."""
        return model.model(scene.snapshot, look)


class Listing(Panel):
    """A panel that lists the devices; they are filtered, ordered, chosen, and taken out and in."""

    def cursor(self, scene: Scene) -> int | None:
        """The row of the device under the cursor."""
        if scene.current != self.panel:
            return None
        return next((n for n, line in enumerate(self.drawn) if about(line) == scene.device), None)

    def info(self, scene: Scene) -> str:
        """What the devices are filtered by and ordered by."""
        return scene.arrangement.told(Look(scene.words, self.size.width))

    def warning(self, scene: Scene) -> str:
        """Figures of chips that are not there."""
        return scene.words("sim.chips") if devices.simulated(scene.snapshot) else ""


class DevicesPanel(Listing):
    """The devices with their sensors."""

    panel = "devices"

    def rows(self, scene: Scene, look: Look) -> list[Row]:
        """Its view."""
        found = devices.arranged(devices.joined(scene.snapshot), scene.arrangement, look)
        cursor = scene.device if scene.current == self.panel else ""
        return devices.devices(scene.snapshot, look, cursor, found, scene.tracks, scene.device)


class InferPanel(Listing):
    """Inference, live."""

    panel = "infer"

    def rows(self, scene: Scene, look: Look) -> list[Row]:
        """Its view."""
        found = devices.arranged(devices.joined(scene.snapshot), scene.arrangement, look)
        cursor = scene.device if scene.current == self.panel else ""
        return infer.infer(scene.snapshot, look, scene.history, found, scene.device, cursor)


class ResultPanel(Panel):
    """The result."""

    panel = "result"

    def rows(self, scene: Scene, look: Look) -> list[Row]:
        """Its view."""
        return result.result(scene.snapshot, look)

    def warning(self, scene: Scene) -> str:
        """A speed of chips that are not there."""
        return scene.words("sim.chips") if devices.of_simulated(scene.snapshot.run) else ""


def _selected(scene: Scene) -> int | None:
    names = [stage.name for stage in stages_of(scene.snapshot)]
    return names.index(scene.selected) if scene.selected in names else None
