"""What opens over the board, as rows: the preview of a run, the help, the words of an error."""

from collections.abc import Sequence

from backends.core.client import Preview
from backends.core.messages import Line, R3dError
from r3d_tui.text.rows import Row, Span, fit, row, wrap
from r3d_tui.views.actions import ACTIONS, all_shown
from r3d_tui.views.look import SIGNS, Look, paragraph, rule, sign, stage_word, state_word

ACTION_SIGNS = {"run": "run", "cached": "cached", "skip": "skipped", "unknown": "run"}


def preview(found: Sequence[Preview], look: Look) -> list[Row]:
    words = look.words
    rows: list[Row] = []
    will = [one for one in found if one.action in ("run", "unknown")]
    kept = [one for one in found if one.action == "cached"]
    summary = words("preview.summary", run=len(will), kept=len(kept))
    rows += [row(Span(summary, "strong")), ()]
    space = max(10, look.width - 27)
    for one in found:
        mark = sign(ACTION_SIGNS[one.action])
        first, *rest = wrap(words.line(one.reason), space)
        quiet = "dim" if one.action in ("skip", "cached") else ""
        name = Span(fit(stage_word(words, one.stage), 11), quiet or "strong")
        rows.append(
            row(mark, " ", name, " ", Span(fit(words(f"preview.{one.action}"), 11), mark.role), " ", Span(first, quiet))
        )
        rows += [row(" " * 26, Span(line, quiet)) for line in rest]
    if acceptable := [stage_word(words, one.stage) for one in found if one.acceptable]:
        text = words("preview.acceptable", stages=", ".join(acceptable))
        rows += [(), *paragraph(text, look.width, "warn")]
    return rows


def help_rows(look: Look) -> list[Row]:
    """All keys by group, and the legend of the signs."""
    words = look.words
    rows: list[Row] = [*paragraph(words("help.intro"), look.width)]
    for group in ("run", "look", "move", "out", "console"):
        rows += [(), rule(words(f"help.{group}"), look.width)]
        for action in (one for one in ACTIONS if one.group == group):
            first, *rest = wrap(words(f"action.{action.name}"), look.width - 15)
            rows.append(row(Span(fit(all_shown(action), 14), "key"), " ", first))
            rows += [row(" " * 15, line) for line in rest]
    rows += [(), rule(words("help.legend"), look.width)]
    seen = ("waiting", "running", "done", "cached", "skipped", "failed", "stopped", "interrupted", "stalled", "retired")
    for state in (name for name in seen if name in SIGNS):
        first, *rest = wrap(words(f"legend.{state}"), look.width - 15)
        rows.append(row(sign(state), " ", fit(state_word(words, state), 12), " ", first))
        rows += [row(" " * 15, line) for line in rest]
    return [*rows, (), *paragraph(words("help.dash"), look.width, "dim")]


def error_rows(error: R3dError | Line, look: Look) -> list[Row]:
    text, hint = (error.line, error.hint) if isinstance(error, R3dError) else (error, Line(""))
    rows = paragraph(look.words.line(text), look.width, "bad")
    return [*rows, (), *paragraph(look.words.line(hint), look.width)] if hint.template else rows
