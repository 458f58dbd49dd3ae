"""Draw docs/pictures/console.svg, the animated picture of the README: `python tools/animate.py`.

A played run of eight chips (`bench.fake_run`: its figures are made up) under the real console, one of them lost on the
way. Rows that come again are drawn once and used by each picture, so that the file stays small.
"""

from __future__ import annotations

import asyncio
import html
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.color import ColorSystem
from rich.terminal_theme import MONOKAI

from backends import api
from bench.fake_run import Actor, prepare
from r3d_tui.app import ConsoleApp
from r3d_tui.lang.words import Words

OUT = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "console.svg"
COLUMNS, ROWS = 100, 30
CELL, LINE = 8.4, 18
"""Pixels of a cell at 14 px of a monospaced font, and of a line."""
STEPS, LOST, FRAME_S, LAST_S = 26, 9, 0.5, 4.0


async def pictures(workspace: Path) -> list[list[str]]:
    """Each picture as rows of SVG: the console while the played run goes on, and its result."""
    actor = Actor(workspace, prepare(workspace), 8, clips=770 * 7 * (STEPS + 1), fails_at=LOST)
    client = api.open_client(workspace)
    app = ConsoleApp(client, words=Words("en"), theme="r3d-dark")
    found = []
    async with app.run_test(size=(COLUMNS, ROWS)) as pilot:
        await pilot.pause(2.0)
        for _ in range(STEPS):
            actor.tick()
            actor.beat()
            await pilot.pause(0.7)
            found.append(list(rows(app)))
        actor.finish()
        await pilot.pause(2.5)
        found.append(list(rows(app)))
    client.close()
    return found


def rows(app: Any) -> Iterator[str]:
    """The screen's rows as SVG text, each at the origin."""
    for strip in app.screen._compositor.render_strips():  # noqa: SLF001 - the screen as it is drawn
        place, parts = 0, []
        for segment in strip:
            style, cells = segment.style, segment.cell_length
            front, behind = (_colour(style, name) for name in ("color", "bgcolor"))
            if style is not None and style.reverse:
                front, behind = behind or "#12181f", front or "#e6edf3"
            x, width = place * CELL, cells * CELL
            if behind:
                parts.append(f'<rect x="{x:.1f}" width="{width:.1f}" height="{LINE}" fill="{behind}"/>')
            if segment.text.strip():
                weight = ' font-weight="bold"' if style is not None and style.bold else ""
                text = html.escape(segment.text.replace(" ", "\N{NO-BREAK SPACE}"))
                place_and_width = f'x="{x:.1f}" y="14" textLength="{width:.1f}"'
                parts.append(f'<text {place_and_width} fill="{front or "#e6edf3"}"{weight}>{text}</text>')
            place += cells
        yield "".join(parts)


def _colour(style: Any, name: str) -> str:
    colour = getattr(style, name) if style is not None else None
    if colour is None or colour.is_default:
        return ""
    return str(colour.downgrade(ColorSystem.TRUECOLOR).get_truecolor(MONOKAI).hex)


def animated(found: list[list[str]]) -> str:
    """All pictures in one SVG, shown in turn, without end."""
    known: dict[str, int] = {}
    total = FRAME_S * (len(found) - 1) + LAST_S
    frames, keys = [], []
    for number, picture in enumerate(found):
        uses = "".join(
            f'<use href="#r{known.setdefault(row, len(known))}" y="{y * LINE}"/>'
            for y, row in enumerate(picture)
            if row
        )
        start, end = (100 * FRAME_S * n / total for n in (number, number + 1))
        end = 100.0 if number == len(found) - 1 else end
        keys.append(f"@keyframes f{number}{{0%,{start:.2f}%{{opacity:0}}{start + 0.01:.2f}%,{end:.2f}%{{opacity:1}}")
        keys[-1] += "100%{opacity:0}}" if end < 100 else "}"
        frames.append(f'<g style="animation:f{number} {total}s step-end infinite">{uses}</g>')
    width, height = COLUMNS * CELL, ROWS * LINE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + 16:.0f} {height + 16}" font-size="14" '
        'font-family="DejaVu Sans Mono,Menlo,Consolas,monospace"><title>r3d-tui: a played run of eight chips</title>'
        f"<style>{''.join(keys)}</style><defs>"
        + "".join(f'<g id="r{number}">{row}</g>' for row, number in known.items())
        + '</defs><rect width="100%" height="100%" rx="8" fill="#12181f"/><g transform="translate(8 8)">'
        + "".join(frames)
        + "</g></svg>\n"
    )


def main() -> None:
    """Play, draw, write."""
    with tempfile.TemporaryDirectory(prefix="r3d-picture-") as folder:
        os.environ["HOME"] = folder  # so that the workspace stands as ~/hmdb51
        OUT.write_text(animated(asyncio.run(pictures(Path(folder) / "hmdb51"))), encoding="utf-8")


if __name__ == "__main__":
    main()
