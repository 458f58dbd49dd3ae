"""Chips and findings as lines of text for the plain face. Pure; a dash where the tool says nothing."""

from __future__ import annotations

from collections.abc import Iterator

from backends.contract.needs import Finding
from backends.contract.values import Chip, DeviceTable
from r3d_tui.lang.words import Words
from r3d_tui.safe import safe

_SIGNS = {"met": "ok", "warning": "warning", "missing": "MISSING", "unknown": "unknown"}


def device_lines(table: DeviceTable, words: Words) -> Iterator[str]:
    """One line a chip, or what went wrong and the mend."""
    if table.error:
        yield safe(table.error.message)
        for text in (table.error.cause, table.error.fix):
            if text.template:
                yield "  " + words.line(text)
    if table.chips:
        yield (
            f"{'npu':>5} {'chip':>4} {'device':>6}  {'name':<10} {'soc_version':<16} {'health':<8} "
            f"{'W':>6} {'°C':>4} {'AICore':>6} {'memory MB':>15}"
        )
    for chip in table.chips:
        yield _chip(chip)


def finding_lines(findings: tuple[Finding, ...], words: Words) -> Iterator[str]:
    """One line a need: its state, what was found, and the mend where it is not met."""
    for finding in findings:
        hint = f"  -> {words.line(finding.hint)}" if finding.hint.template and finding.state != "met" else ""
        yield f"{_SIGNS[finding.state]:<8} {safe(finding.name):<22} {words.line(finding.found)}{hint}"


def _chip(chip: Chip) -> str:
    memory = f"{_dash(chip.memory_used_mb)} / {_dash(chip.memory_total_mb)}"
    return (
        f"{chip.npu_id:>5} {_dash(chip.chip_id):>4} {_dash(chip.device_id):>6}  {safe(chip.name or '-'):<10} "
        f"{safe(chip.soc_version or '-'):<16} {safe(chip.health or '-'):<8} {_dash(chip.power_w):>6} "
        f"{_dash(chip.temp_c):>4} {_dash(chip.aicore_percent):>6} {memory:>15}"
    )


def _dash(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
