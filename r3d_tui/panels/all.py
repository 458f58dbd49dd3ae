"""The rail and the panels that only show a view, one class each."""

from __future__ import annotations

from r3d_tui.panels.panel import Panel, Scene
from r3d_tui.rows import Row
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


class DevicesPanel(Panel):
    """The devices; the cursor's can be taken out and in."""

    panel = "devices"

    def rows(self, scene: Scene, look: Look) -> list[Row]:
        """Its view."""
        return devices.devices(scene.snapshot, look, scene.device if scene.current == self.panel else "")

    def cursor(self, scene: Scene) -> int | None:
        """The device under the cursor, under the heading."""
        if scene.current != self.panel:
            return None
        ids = [device.id for device in devices.joined(scene.snapshot)]
        return ids.index(scene.device) + 1 if scene.device in ids else None


class InferPanel(Panel):
    """Inference, live."""

    panel = "infer"

    def rows(self, scene: Scene, look: Look) -> list[Row]:
        """Its view."""
        return infer.infer(scene.snapshot, look, scene.history)


class ResultPanel(Panel):
    """The result."""

    panel = "result"

    def rows(self, scene: Scene, look: Look) -> list[Row]:
        """Its view."""
        return result.result(scene.snapshot, look)


def _selected(scene: Scene) -> int | None:
    names = [stage.name for stage in stages_of(scene.snapshot)]
    return names.index(scene.selected) if scene.selected in names else None
