"""The card of a failure: cause, fix, what was kept, what is blocked, and the log's last lines. Never a traceback."""

from collections.abc import Sequence

from backends.core.client import Snapshot
from backends.core.command_reports import SettingChange
from r3d_tui.text import figures
from r3d_tui.text.rows import Row, Span, cells, cut, fit, row, safe, wrap
from r3d_tui.views.look import Look, dotted, stage_word
from r3d_tui.views.phase import blocked_by, failed_stage, running_stages

LABEL = 9
LOG = 24
"""Lines of the log at most."""


def failure(snapshot: Snapshot, look: Look, change: SettingChange | None = None, log: Sequence[str] = ()) -> list[Row]:
    """The first stage that failed, with the change of r3d.toml that would fix it where the fix is a setting."""
    stage, words = failed_stage(snapshot), look.words
    if stage is None:
        return []
    title = words("failure.title", stage=stage_word(words, stage.name))
    rows: list[Row] = [row("  ", Span(f"✗ {title}", "bad")), ()]
    rows += _labelled(words("failure.cause"), words.line(stage.reason), look)
    if change is not None:
        rows += _labelled(words("failure.fix"), words.line(stage.hint), look)
        where = words("failure.line", n=change.line_number)
        rows.append(_change("-", change.before or words("failure.unset"), "bad", where, look))
        rows.append(_change("+", change.after, "good", "", look))
    elif stage.hint.template:
        rows += _labelled(words("failure.fix"), words.line(stage.hint), look)
    rows.append(())
    rows += _labelled(words("failure.kept"), _kept(snapshot, look), look, "good")
    rows += _labelled(words("panel.accuracy"), _result(snapshot, look), look, "warn")
    rows += _labelled(words("failure.blocked"), _names(blocked_by(snapshot, stage.name), look), look, "dim")
    rows += _labelled(words("failure.running"), _names([one.name for one in running_stages(snapshot)], look), look)
    space = look.height - len(rows) - 2
    if (lines := without_traceback(log)) and space > 0:
        head = f"── {words('failure.log')} "
        dashes = "─" * max(0, look.width - cells(head) - 5)
        rows += [(), cut(row("   ", Span(head, "head"), Span(dashes, "rule")), look.width)]
        rows += [cut(row("   ", Span(safe(text), "dim")), look.width - 1) for text in lines[-min(LOG, space) :]]
    return rows


def without_traceback(lines: Sequence[str]) -> list[str]:
    """A log's lines without the frames of Python tracebacks; what they end in stays."""
    found: list[str] = []
    inside = False
    for text in lines:
        if text.startswith("Traceback (most recent call last)"):
            inside = True
        elif not (inside and (text[:1] in " \t" or not text)):
            inside = False
            if text.strip():
                found.append(text)
    return found


def _labelled(label: str, text: str, look: Look, role: str = "") -> list[Row]:
    if not text:
        return []
    first, *rest = wrap(text, max(10, look.width - LABEL - 4))
    head = row("   ", Span(fit(label, LABEL), "head"), Span(first, role))
    return [head, *(row(" " * (LABEL + 3), Span(line, role)) for line in rest)]


def _change(sign: str, text: str, role: str, where: str, look: Look) -> Row:
    note = Span(f"   ({where})" if where else "", "dim")
    return cut(row(" " * (LABEL + 3), Span(f"{sign} {safe(text)}", role), note), look.width)


def _kept(snapshot: Snapshot, look: Look) -> str:
    done = [stage for stage in snapshot.run.stages if stage.state in ("done", "cached")]
    names = _names([stage.name for stage in done], look)
    work = sum(stage.seconds or 0.0 for stage in done)
    return f"{names} ({look.words('failure.work', time=figures.seconds(work))})" if names and work >= 1 else names


def _result(snapshot: Snapshot, look: Look) -> str:
    """The accuracy that stands all the same, as where verify alone failed; empty where there is none."""
    report = snapshot.report
    if report is None:
        return ""
    videos = look.words("result.videos_of", n=figures.count(report.videos), of=figures.count(report.videos_listed))
    return dotted([f"{look.words('result.top1')} {report.top1:.4f}", videos])


def _names(names: Sequence[str], look: Look) -> str:
    return ", ".join(stage_word(look.words, name) for name in names)
