"""Roles as colours, from a theme's variables: one table for all sheets instead of component classes in each widget.

Half of the start-up went into them (14 classes in 13 sheets, applied twice); this table costs a millisecond.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rich.style import Style
from textual.color import Color

from r3d_tui.text.rows import ANSI

TRUE = {
    "dim": ("r3d-dim", "", ""),
    "good": ("success", "", ""),
    "bad": ("error", "", "bold"),
    "warn": ("warning", "", ""),
    "accent": ("primary", "", ""),
    "strong": ("", "", "bold"),
    "head": ("r3d-dim", "", ""),
    "key": ("accent", "", "bold"),
    "rule": ("r3d-rule", "", ""),
    "focus": ("accent", "", "bold"),
    "chip": ("foreground", "r3d-chip", "bold"),
    "off": ("r3d-rule", "", ""),
    "match": ("foreground", "r3d-match", "bold"),
    "cursor": ("", "r3d-cursor", ""),
}
"""Role: variables of the foreground and the background, and attributes."""
ANSI_LIGHT = {**ANSI, "warn": "bold magenta", "accent": "blue", "key": "bold blue", "focus": "bold blue"}
"""On a light one, where cyan and yellow cannot be read."""


def paint(variables: Mapping[str, str], *, ansi: bool, dark: bool = True) -> dict[str, Style]:
    if ansi:
        return {role: Style.parse(text) for role, text in (ANSI if dark else ANSI_LIGHT).items()}
    return {role: _style(variables, *parts) for role, parts in TRUE.items()}


@lru_cache(maxsize=8192)
def mixed(role: str) -> Style:
    """The style of a role that is itself two colours, `#rrggbb/#rrggbb`: the character's and the one behind it."""
    front, _, back = role.partition("/")
    return Style(color=front or None, bgcolor=back or None)


def _style(variables: Mapping[str, str], front: str, back: str, attributes: str) -> Style:
    colour = _colour(variables[front]) if front in variables else None
    behind = _colour(variables[back]) if back in variables else None
    return Style(color=colour, bgcolor=behind, bold="bold" in attributes or None)


@lru_cache(maxsize=64)
def _colour(text: str) -> str:
    return Color.parse(text).hex6
