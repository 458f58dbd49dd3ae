"""Every action of the console, once: its keys, its words, its group. Bottom line, palette and help read it."""

from typing import Literal

from msgspec import Struct

KeyHint = tuple[str, str, str]
"""In the last line of a dialog: a key, the key of its words, what a click on it does."""
Group = Literal["run", "look", "move", "out", "console"]


class Action(Struct, frozen=True):
    name: str
    """Its words are `action.<name>` in the language files, and `key.<name>` in the bottom line."""
    keys: tuple[str, ...]
    """In Textual's names; the first is the one that is shown."""
    group: Group
    writes: bool = False
    """Starts, stops or changes something: not there in read-only mode."""
    palette: bool = True


ACTIONS = (
    Action("run", ("r",), "run", writes=True),
    Action("fix", ("f",), "run", writes=True),
    Action("rerun_failed", ("f",), "run", writes=True),
    Action("new", ("i",), "run", writes=True),
    Action("demo", ("t",), "run", writes=True),
    Action("rerun_from", ("R", "shift+r"), "run", writes=True),
    Action("stop", ("s",), "run", writes=True),
    Action("device", ("space",), "run", writes=True),
    Action("batches", (), "run", writes=True),
    Action("details", ("d",), "look"),
    Action("next", ("enter",), "look", palette=False),
    Action("open", ("enter",), "look", palette=False),
    Action("chip", ("p",), "look"),
    Action("results", ("o",), "look"),
    Action("videos", ("b",), "look"),
    Action("skipped", ("a",), "look"),
    Action("log", ("l",), "look"),
    Action("search", ("slash",), "look"),
    Action("only", ("ampersand",), "look"),
    Action("order", ("S", "shift+s"), "look"),
    Action("show_all", ("u",), "look"),
    Action("next_match", ("n",), "look", palette=False),
    Action("previous_match", ("N", "shift+n"), "look", palette=False),
    Action("failure", ("exclamation_mark",), "look"),
    Action("follow", ("full_stop",), "look"),
    Action("zoom", ("z",), "look"),
    Action("runs", ("h",), "look"),
    Action("next_panel", ("tab",), "move", palette=False),
    Action("previous_panel", ("shift+tab",), "move", palette=False),
    Action("down", ("j", "down"), "move", palette=False),
    Action("up", ("k", "up"), "move", palette=False),
    Action("next_stage", ("J", "shift+j", "right_square_bracket"), "move", palette=False),
    Action("previous_stage", ("K", "shift+k", "left_square_bracket"), "move", palette=False),
    Action("page_down", ("pagedown", "ctrl+d"), "move", palette=False),
    Action("page_up", ("pageup", "ctrl+u"), "move", palette=False),
    Action("first", ("g", "home"), "move", palette=False),
    Action("last", ("G", "shift+g", "end"), "move", palette=False),
    Action("copy", ("y",), "out"),
    Action("write", ("w",), "out"),
    Action("pager", ("v",), "out"),
    Action("bundle", ("B", "shift+b"), "out"),
    Action("edit", ("e",), "out", writes=True),
    Action("language", ("L", "shift+l"), "console"),
    Action("theme", ("T", "shift+t"), "console"),
    Action("redraw", ("ctrl+l",), "console"),
    Action("palette", ("colon", "ctrl+p"), "console", palette=False),
    Action("help", ("question_mark", "f1"), "console"),
    Action("quit", ("q",), "console"),
)

_SHOWN = {
    "slash": "/",
    "ampersand": "&",
    "exclamation_mark": "!",
    "full_stop": ".",
    "colon": ":",
    "question_mark": "?",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "shift+tab": "S-Tab",
    "tab": "Tab",
    "enter": "Enter",
    "space": "Space",
    "home": "Home",
    "end": "End",
    "down": "↓",
    "up": "↑",
    "f1": "F1",
    "escape": "Esc",
}


def shown(key: str) -> str:
    if key.startswith("ctrl+"):
        return "^" + key[5:].upper()
    return _SHOWN.get(key, key)


def all_shown(action: Action) -> str:
    """All keys of an action; `shift+x` is only another name of `X`."""
    return " ".join(shown(key) for key in action.keys if not (key.startswith("shift+") and len(key) == 7))
