"""Why a run of ais_bench, ais_infer or msame failed, by its exit status and its words. It refuses to run anything.

What the tool's words mean stands in `tool_words.toml`, what a code of pyACL means in `acl_codes.toml`; a code that is
listed there by its whole number says more than words that stand for any cause, such as `load model from file failed`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backends.ascend.acl_errors import Code
from backends.ascend.acl_errors import find as find_code
from backends.ascend.ais_bench_install import plain
from backends.ascend.tool_errors import Said
from backends.ascend.tool_errors import find as find_words
from backends.core.messages import Fact, Line, line

_CODE = re.compile(
    r"(?:result|ret|code|errorno|error|failed|failure|错误码|报错)[^\w\n]{0,4}(?:is|=|:)?\s*[\[(]?\s*([1235]\d{5})(?!\d)",
    re.IGNORECASE,
)
"""A code of pyACL where one is told: `ret:507011`, `result[507011]`, `errorCode is 507033`; process ids are none."""
_PLOG = re.compile(r"[A-Z]+\(\d+,[^)]*\):\s*[-\d:.]+\s*(?:\[[^\]]*\]\s*\d*\s*)?")
"""What CANN's own log puts before its words: module, process, time, place."""
_COMPONENT = re.compile(r"(?:\[ACL ERROR\]\s*)?E[A-Z0-9]\d{4}\b")
UNTOLD_STATUS = "exit status {status}"
"""The reason of a failure that said nothing."""
UNTOLD = line("see the stage's log, the plog under ~/ascend/log, `dmesg` and `npu-smi info`")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed."""

    reason: Line
    fix: Line = Line("")
    again: bool = True
    """A new process on the same chip may do better."""


def diagnose(status: int, words: str) -> Failure:
    """What the tool's last words and its exit status say. The closing lines come after failures too: no sign."""
    said = [text for text in map(plain, words.replace("\r", "\n").splitlines()) if text]
    known = find_words(status, "\n".join(said))
    number, code = _code(said, known.call if known else "mdl.execute")
    listed = code is not None and str(number) in code.codes
    reason = _headline(status, said)
    if known is not None and (not known.last or not listed):
        return _by_words(known, reason, number)
    if code is None:
        return Failure(line("{reason}", reason=reason), UNTOLD)
    facts: dict[str, Fact] = {"reason": reason, "code": number or 0, "cause": Line(code.cause)}
    told = line("{reason} (code {code}): {cause}", **facts)
    if known is not None:
        told = line("{what}, says the tool: {reason} (code {code}: {cause})", what=Line(known.cause), **facts)
    return Failure(told, Line(code.fix), again=code.policy != "never")


def _by_words(known: Said, reason: str, number: int | None) -> Failure:
    facts: dict[str, Fact] = {"what": Line(known.cause), "reason": reason}
    told = line("{what}, says the tool: {reason}", **facts)
    if number is not None and str(number) not in reason:
        told = line("{what}, says the tool: {reason} (code {code})", code=number, **facts)
    return Failure(told, Line(known.fix), again=known.again)


def _code(said: Sequence[str], call: str) -> tuple[int | None, Code | None]:
    """The first code that the catalogue lists by its number, else the first at all."""
    found = [(number, find_code(call, number)) for number in _numbers(said)]
    listed = (pair for pair in found if str(pair[0]) in pair[1].codes)
    return next(listed, found[0] if found else (None, None))


def _numbers(said: Sequence[str]) -> Iterator[int]:
    for text in said:
        for found in _CODE.findall(text):
            yield int(found)
        if bare := re.match(r"RuntimeError: \[([1235]\d{5})\]", text):
            yield int(bare[1])


def _headline(status: int, said: Sequence[str]) -> str:
    """The line that says most: the exception that ended it, else its first error, else its exit status."""
    errors = [text for text in said if re.match(r"\[ERROR\]", text) or " - ERROR - " in text]
    telling = [text for text in errors if _CODE.search(text) or not _PLOG.search(text)]
    raised = [text for text in said if re.match(r"(\w+\.)*\w*(Error|Exception)\b", text)]
    refused = [text for text in said if re.match(r"\S+: error: ", text)]
    component = [text for text in said if _COMPONENT.match(text)]
    chosen = [*(telling or errors)[:1], *raised[-1:]] or refused[-1:] or component[:1]
    if not chosen:
        chosen = [text for text in said if _CODE.search(text)][:1]
    if chosen:
        return "; ".join(_PLOG.sub("", re.sub(r"^\[ERROR\]\s*", "", text)).strip() for text in chosen)[:300]
    if status > 128:
        return f"ended by signal {status - 128}"
    return UNTOLD_STATUS.format(status=status)
