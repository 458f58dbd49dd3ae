"""A saved or piped output as rows of cells between bars: colours, wraps, marks and prompts are taken off.

`npu_smi` reads tables from the rows.
"""

import html
import re
from collections import Counter
from collections.abc import Iterator, Sequence

Cells = tuple[str, ...]

_MOVES = re.compile(r"\x1b\[[0-9;]*[HfEFd]")
"""The cursor is put elsewhere: what `watch` writes between two rows."""
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-Za-z]|.)|[\x00-\x08\x0e-\x1a\x7f]"
)
_SIGNS = str.maketrans({"│": "|", "┃": "|", "｜": "|", "\xa0": " ", "\u3000": " "})
_SERVICE = re.compile(
    r"(?!(?:DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)\b)"
    r"(?P<name>(?=[^|]*[A-Za-z])[\w./-]+)[ \t]*\|(?: |$)(?P<rest>.*)"
)
"""What `docker compose logs` puts before each line: the name of a container, and a bar. A logger's level is no name."""
_STAMP = re.compile(r"(?:\[pod/[^]\s]+\] )?\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) |\[pod/[^]\s]+\] ")
"""And the times and pods of `docker logs -t` and `kubectl logs --prefix`."""
_QUOTED_RULE = re.compile(r"(?:[ \t]*[>|])+[ \t]?(?=\+[-=+]{9})")
_RULE = re.compile(r"\+(?:[-+|]*|[=+|]*)")


def without_services(text: str) -> str:
    """The lines without what logs of containers put before them, those of each service together.

    Without a web page's marks too: HTML entities, and what it puts before each line of a quotation.
    """
    plain = html.unescape(_ESCAPES.sub("", text)).replace("\xa0", " ")
    lines = [_STAMP.sub("", row) for row in _unquoted(plain.splitlines())]
    found = [_SERVICE.fullmatch(row) for row in lines]
    counts = Counter(match["name"] for match in found if match)
    if max(counts.values(), default=0) < 2:
        return "\n".join(lines)
    groups: dict[str, list[str]] = {}
    for row, match in zip(lines, found, strict=True):
        named = match is not None and counts[match["name"]] > 1
        groups.setdefault(match["name"] if match and named else "", []).append(
            _STAMP.sub("", match["rest"]) if match and named else row
        )
    return "\n".join(row for rows in groups.values() for row in rows)


def _unquoted(lines: Sequence[str]) -> Iterator[str]:
    """A table's own rules begin with a plus: what stands before the first one is a quotation's."""
    quote = next((found[0] for found in map(_QUOTED_RULE.match, lines) if found), "")
    prefix = re.compile(rf"(?:[ \t]*[>|]){{{quote.count('>') + quote.count('|')}}}[ \t]?")
    for row in lines:
        found = prefix.match(row) if quote else None
        yield row[found.end() :] if found else row


def rows(text: str) -> Iterator[Cells]:
    """The cells between the first bar and the last of each line; what is before and behind is dropped."""
    plain = _ESCAPES.sub("", _MOVES.sub("\n", text)).translate(_SIGNS)
    for row in _unwrapped(plain.replace("\\|", "|").replace("\\_", "_").splitlines()):
        first, last = row.find("|"), row.rfind("|")
        if first < last:
            yield tuple(cell.strip() for cell in row[first + 1 : last].split("|"))


def _unwrapped(lines: Sequence[str]) -> Iterator[str]:
    """Lines that a narrow terminal broke are joined again.

    The rules show its width, and so what a row lacks: blanks at the end of a line, which a copy leaves out, included.
    """
    whole, screen = _widths(lines)
    place = 0
    while place < len(lines):
        row = lines[place]
        place += 1
        if screen and row.startswith("|") and len(row) <= screen:
            row = row.ljust(screen)
            while len(row) < whole and place < len(lines) and not re.match(r"\+[-=]", lines[place]):
                lacks = min(screen, whole - len(row))
                if len(lines[place]) > lacks:
                    break
                row += lines[place].ljust(lacks)
                place += 1
        yield row


def _widths(lines: Sequence[str]) -> tuple[int, int]:
    """Width of the table and of the terminal that broke it, from the first rule that was broken; zeros where none."""
    for place, row in enumerate(lines):
        if not _RULE.fullmatch(row) or (row.endswith("+") and len(row) > 1):
            continue
        rule = row
        for rest in lines[place + 1 :]:
            if not 0 < len(rest) <= len(row) or not _RULE.fullmatch(rule + rest):
                break
            rule += rest
            if rule.endswith("+"):
                return len(rule), len(row)
    return 0, 0
