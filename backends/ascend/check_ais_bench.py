"""Rows about ais_bench: is it there, which generation is it, what does its Python lack. Every call has a limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backends.ascend.ais_bench_install import probe, versions
from backends.ascend.check_versions import tool_findings
from backends.core.errors import NeedError
from backends.core.messages import line
from backends.core.needs import Finding
from backends.core.settings import Settings

LIMIT_S = 30.0
SPARE_S = 10.0
"""Where nothing hangs on the answer."""


def ais_bench_findings(settings: Settings, limit_s: float = LIMIT_S) -> Iterator[Finding]:
    """Two rows, and a third where its Python has no pkg_resources."""
    given, place = settings.infer.ais_bench, Path.cwd()
    try:
        tool = probe(given, place, limit_s)
    except NeedError as error:
        yield Finding("ais_bench", "missing", error.line, error.hint)
        if "aclruntime" in str(error.line):
            yield Finding("aclruntime", "missing", line("not installed there"), error.hint)
        else:
            yield Finding("aclruntime", "unknown", line("not asked for: ais_bench does not answer"))
        return
    found = line("generation {name} ({command})", name=tool.generation, command=" ".join(tool.command))
    yield Finding("ais_bench", "met", found)
    yield from tool_findings(versions(given, place, limit_s), tool.generation)


def spare_findings(settings: Settings, limit_s: float = SPARE_S) -> Iterator[Finding]:
    """The same rows where another runtime is set: what is not there is no fault, and is told without a mend."""
    for finding in ais_bench_findings(settings, limit_s):
        if finding.state == "met":
            yield finding
        else:
            found = line("{found}; only infer.runtime = ais_bench needs it", found=finding.found)
            yield Finding(finding.name, "unknown", found)
