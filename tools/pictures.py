"""Draw docs/pictures from a live run: `python tools/pictures.py WORKSPACE`, a demo workspace that was run once."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

from backends import api
from backends.core.client import RunRequest, Snapshot
from r3d_tui.app import ConsoleApp
from r3d_tui.lang.words import Words

OUT = Path(__file__).resolve().parents[1] / "docs" / "pictures"
SMALL, MIDDLE, LARGE = (80, 24), (120, 40), (200, 60)


def inferring(snapshot: Snapshot) -> bool:
    """Inference is well on its way."""
    stages = snapshot.run.stages
    return any(stage.name == "infer" and stage.state == "running" and stage.done >= 80 for stage in stages)


def ended(snapshot: Snapshot) -> bool:
    """The run is done, and its report is read."""
    return snapshot.run.state == "done" and not snapshot.alive and snapshot.report is not None


async def shoot(
    workspace: Path,
    name: str,
    size: tuple[int, int],
    *keys: str,
    when: Callable[[Snapshot], bool] = ended,
    language: str = "en",
    theme: str = "r3d-dark",
) -> None:
    """One picture: wait for the moment, press the keys, draw."""
    client = api.open_client(workspace)
    app = ConsoleApp(client, words=Words(language), theme=theme)
    async with app.run_test(size=size) as pilot:
        for _ in range(3000):
            if when(client.snapshot()):
                break
            await pilot.pause(0.1)
        else:
            raise SystemExit(f"{name}: its moment never came")
        await pilot.pause(0.6)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.7)
        app.clear_notifications()
        await pilot.pause(0.3)
        (OUT / f"{name}.svg").write_text(app.export_screenshot(title="r3d-tui"), encoding="utf-8")
    client.close()


def run_and_shoot(workspace: Path, name: str, size: tuple[int, int], *keys: str, **options: str) -> None:
    """A picture of an inference that is on; gives back when it has ended."""
    client = api.open_client(workspace)
    client.start(RunRequest(first="infer"))
    asyncio.run(shoot(workspace, name, size, *keys, when=inferring, **options))  # type: ignore[arg-type]
    while client.snapshot().alive:
        time.sleep(0.5)
    client.close()


def main() -> None:
    """Run inference for each picture of it; then those of the result."""
    place = Path(sys.argv[1])
    run_and_shoot(place, "console-120x40", MIDDLE)
    run_and_shoot(place, "console-200x60-light", LARGE, theme="r3d-light")
    run_and_shoot(place, "console-80x24-zh", SMALL, "5", language="zh")
    asyncio.run(shoot(place, "result-80x24", SMALL, "7"))
    asyncio.run(shoot(place, "matrix-120x40", MIDDLE, "o"))
    keys = ("b", "enter", "enter", "full_stop", "full_stop")
    asyncio.run(shoot(place, "clip-80x24-zh", SMALL, *keys, language="zh", theme="r3d-light"))


if __name__ == "__main__":
    main()
