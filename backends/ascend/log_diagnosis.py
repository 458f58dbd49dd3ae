"""What a log says that was saved by hand: of atc, ais_bench, ais_infer, msame or a pyACL program. It runs nothing."""

from __future__ import annotations

import re
from pathlib import Path

from backends.ascend import atc_errors, tool_diagnosis
from backends.ascend.tool_times import ToolFigures, read_log
from backends.core.errors import InputError
from backends.core.frozen import dataclass
from backends.core.messages import N_, Line, line, os_reason
from backends.core.values import Trouble

LARGEST = 64 << 20
"""Bytes; of a larger log, its end."""
_ATC = re.compile(r"\bATC (?:run|start|is)\b|(?:^|[\s/$#])atc\s[^\n]*--(?:model|framework)\b|\bGE\(\d+,atc\b")
_STATUS = 1
"""A saved log does not tell it: the common one of a failure."""
_DONE = "ATC run success"
_INFERENCE = re.compile(
    r"\bacl ?(?:init|open|rt|mdl)|acl\.so|\baclruntime|\bais_(?:bench|infer)|\bmsame\b|load model (?:from|failed)|"
    r"\bret(?:Code)?\b|error ?code|result ?\[|RuntimeError",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SavedLog:
    """What a log says: the figures of a run that ended, or why one failed."""

    figures: ToolFigures | None = None
    trouble: Trouble | None = None
    done: bool = False
    """An atc that says that it succeeded."""

    def lines(self, batch: int) -> tuple[Line, ...]:
        """For people; `batch` is the number of clips of one execution, which msame does not print."""
        if self.trouble is not None:
            said = line("{message}", message=self.trouble.message)
            return tuple(one for one in (said, self.trouble.cause, self.trouble.fix) if str(one))
        if self.figures is not None:
            return _figure_lines(self.figures, batch)
        return (line("atc says that it succeeded"),) if self.done else ()


def read_saved_log(path: Path) -> SavedLog:
    """InputError where the file cannot be read, or says nothing that is known."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LARGEST))
            data = file.read(LARGEST)
    except OSError as error:
        hint = N_("give what atc, ais_bench or msame printed, saved to a file")
        raise InputError("{path}: {reason}", hint=hint, path=str(path), reason=os_reason(error)) from None
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    found = explain(data.decode(encoding, "replace"))
    if found is None:
        hint = N_("give all that atc, ais_bench or msame printed; for npu-smi: r3d-tui devices --from FILE")
        raise InputError("{path}: neither figures of a run nor a failure that is known", hint=hint, path=str(path))
    return found


def explain(text: str) -> SavedLog | None:
    """The figures of a log, else its failure by the catalogue of the tool that it is of; None where it has neither."""
    if figures := read_log(text):
        return SavedLog(figures)
    if _DONE in text and "ATC run failed" not in text:
        return SavedLog(done=True)
    of_atc = _ATC.search(text) is not None or _INFERENCE.search(text) is None
    both = (atc_errors.diagnose(text), _inference(text))
    found = [trouble for trouble in (both if of_atc else both[::-1]) if trouble is not None]
    known = [trouble for trouble in found if trouble.fix.template not in ("", tool_diagnosis.UNTOLD.template)]
    return next((SavedLog(trouble=trouble) for trouble in (*known, *found)), None)


def _inference(text: str) -> Trouble | None:
    failure = tool_diagnosis.diagnose(_STATUS, text)
    if str(failure.reason) == tool_diagnosis.UNTOLD_STATUS.format(status=_STATUS):
        return None
    code = failure.reason.facts.get("code")
    return Trouble(None if code is None else str(code), "", failure.reason, failure.fix)


def _figure_lines(figures: ToolFigures, batch: int) -> tuple[Line, ...]:
    rate, mean = figures.rate(batch), figures.compute.mean or 0.0
    clips = figures.batch or (batch if figures.throughput is None else None)
    told = line("{tool}: {mean:.3f} ms an execution", tool=figures.tool, mean=mean)
    if clips is not None:
        told = line("{tool}: {mean:.3f} ms for {clips:.0f} clips", tool=figures.tool, mean=mean, clips=clips)
    if rate is None:
        return (told,)
    each = tuple(line("device {id}: {rate:.1f} clips/s", id=id_, rate=found) for id_, found in sorted(figures.devices))
    return (told, line("{rate:.1f} clips/s while computing, filler included", rate=rate), *each)
