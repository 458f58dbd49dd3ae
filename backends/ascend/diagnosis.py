"""Why a foreign tool failed: the root among all the codes and words of its output, with cause and fix.

The stages ask it of atc, ais_bench and pyACL, and `log_diagnosis` of a saved log. What the words mean is in
`tool_errors.toml`, what a number of pyACL means in `acl_codes.toml`. It runs nothing.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence

from backends.ascend.acl_errors import Code
from backends.ascend.acl_errors import find as find_number
from backends.ascend.tool_errors import Evidence, Match, ToolKind, find
from backends.core.messages import Line, line
from backends.core.values import ToolFailure
from backends.worker.tools import plain

LEVELS = ("words", "code", "number", "last words", "group of codes", "consequence", "any code", "any number", "status")
"""What says more about a failure, the first one most. `Match.rank` begins with a place in it."""
_CONSEQUENCES = frozenset((100000, 107000, 107002, 107003, 500000, 500001, 500002, 500003, 500004))
"""Numbers that follow from an earlier failure: any code with a meaning of its own beside them is the root."""

_CODE = re.compile(r"\bE(?:[A-Z]\d{4}|\d{5})(?!\d)")
_HEADLINE = "ATC run failed"
_NUMBER = re.compile(
    r"(?:result|ret|code|errorno|error|failed|failure|错误码|报错)[^\w\n]{0,4}(?:is|=|:)?[\s:=]*[\[(]?\s*([1235]\d{5})(?!\d)"
    r"|^RuntimeError: \[([1235]\d{5})\]",
    re.IGNORECASE | re.MULTILINE,
)
"""A number of pyACL where one is reported: `ret:507011`, `result[507011]`, `errorCode is 507033`; no process ids."""
_PLOG = re.compile(r"[A-Z]+\(\d+,[^)]*\):\s*[-\d:.]+\s*(?:\[[^\]]*\]\s*\d*\s*)?")
"""What CANN's own log puts before its words: module, process, time, place."""
_STAMP = re.compile(r"\[PID:\s*\d+\]\s*(?:\d{4}-\d\d-\d\d-[\d:.]+\s*)?")
_RAISED = re.compile(r"(\w+\.)*\w*(Error|Exception)\b")
_COMPONENT = re.compile(r"(?:\[ACL ERROR\]\s*)?E[A-Z0-9]\d{4}\b")
UNKNOWN_FIX = line("see the stage's log, the plog under ~/ascend/log, `dmesg` and `npu-smi info`")


def diagnose(text: str, tool: ToolKind = "", status: int = 1) -> ToolFailure | None:
    """What a tool's output and its exit status mean; None where the output holds no code and nothing known.

    ais_bench prints its closing lines after failures too: they mean nothing. A log in JSON has its line ends escaped.
    """
    text = text.replace("\\n", "\n")
    rows = [row for row in map(plain, text.replace("\r", "\n").splitlines()) if row]
    codes = _codes(text)
    messages = {code: message_of(text, code) for code in codes}
    words = "\n".join(rows)
    found = find(Evidence(words, f"{words}\n".lower(), codes, messages, status, tool))
    best = found[0] if found else None
    number, meaning, level = _number(text, next((match.entry.call for match in found if match.entry.call), ""))
    if meaning is not None and (best is None or level < best.rank[0] or meaning.cause == best.entry.cause):
        beside = best if best is not None and LEVELS[best.rank[0]] == "last words" else None
        return _by_number(number, meaning, headline(rows), beside)
    if best is None:
        return None
    code = best.code or (str(number) if meaning is not None else codes[0] if codes else None)
    message = messages.get(best.code or "") or message_of(text, best.mark)
    if not best.mark:
        message = headline(rows)
    return ToolFailure(code, message, best.cause, best.fix, best.entry.again)


def diagnose_run(status: int, text: str) -> ToolFailure:
    """Why ais_bench, ais_infer, msame or a program of pyACL failed; its own headline where nothing is known."""
    found = diagnose(text, "run", status)
    if found is not None:
        return found
    rows = [row for row in map(plain, text.replace("\r", "\n").splitlines()) if row]
    message = headline(rows)
    if message:
        return ToolFailure(None, message, fix=UNKNOWN_FIX)
    cause = line("exit status {status}", status=status)
    if status > 128:
        cause = line("ended by signal {signal}", signal=status - 128)
    return ToolFailure(None, "", cause, UNKNOWN_FIX)


def message_of(text: str, mark: str) -> str:
    """The line that holds `mark`, behind atc's headline first, without time stamps and control characters."""
    _, head, behind = text.partition(_HEADLINE)
    parts = (behind, text) if head else (text,)
    rows = (row for part in parts for row in part.splitlines() if mark.lower() in row.lower())
    found = list(itertools.islice(rows, 50))
    raised = (row for row in reversed(found) if _RAISED.match(row))
    row = next(raised, found[0] if found else "")
    row = "".join(" " if unicodedata.category(sign).startswith("C") else sign for sign in row)
    row = _STAMP.sub("", _PLOG.sub("", re.sub(r"\x1b\[[0-9;]*[A-Za-z]|^\s*\[ERROR\]", "", row)))
    return re.sub(r"\s+", " ", row).strip()[:300]


def headline(rows: Sequence[str]) -> str:
    """The line that says most: the exception that ended it, else its first error, else ""."""
    errors = [row for row in rows if re.match(r"\[ERROR\]", row) or " - ERROR - " in row]
    telling = [row for row in errors if _NUMBER.search(row) or not _PLOG.search(row)]
    raised = [row for row in rows if _RAISED.match(row)]
    refused = [row for row in rows if re.match(r"\S+: error: ", row)]
    component = [row for row in rows if _COMPONENT.match(row)]
    chosen = [*(telling or errors)[:1], *raised[-1:]] or refused[-1:] or component[:1]
    chosen = chosen or [row for row in rows if _NUMBER.search(row)][:1]
    return "; ".join(_PLOG.sub("", re.sub(r"^\[ERROR\]\s*", "", row)).strip() for row in chosen)[:300]


def _codes(text: str) -> tuple[str, ...]:
    """Error codes in their order, those behind the headline first; warnings (W11001) are none."""
    _, head, behind = text.partition(_HEADLINE)
    found = _CODE.findall(behind) if head else []
    return tuple(dict.fromkeys([*found, *_CODE.findall(text)]))


def _number(text: str, call: str) -> tuple[int, Code | None, int]:
    """The number that says most, its meaning, and its level: one with a meaning of its own before a consequence."""
    found = [(number, find_number(call or "mdl.execute", number)) for number in _numbers(text)]
    if not found:
        return 0, None, len(LEVELS)

    def level(number: int, code: Code) -> str:
        listed = str(number) in code.codes
        return ("consequence" if number in _CONSEQUENCES else "number") if listed else "any number"

    number, code = min(found, key=lambda pair: LEVELS.index(level(*pair)))
    return number, code, LEVELS.index(level(number, code))


def _numbers(text: str) -> Iterator[int]:
    return (int(found[1] or found[2]) for found in _NUMBER.finditer(text))


def _by_number(number: int, meaning: Code, message: str, beside: Match | None) -> ToolFailure:
    cause = Line(meaning.cause)
    if beside is not None and beside.cause != cause:
        cause = line("{what}: {cause}", what=beside.cause, cause=cause)
    return ToolFailure(str(number), message, cause, Line(meaning.fix), meaning.policy != "never")
