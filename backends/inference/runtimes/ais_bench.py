"""ais_bench: the guide's own tool, one process a chip and a run."""

from __future__ import annotations

from backends.device.model_runtime import RuntimeInfo

RUNTIME = RuntimeInfo("ais_bench", "backends.ascend.ais_bench_device:ToolDevice", "", ("ascend",), rank=2, is_tool=True)
