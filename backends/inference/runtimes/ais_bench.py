"""ais_bench: the guide's own tool, one process a chip and a run."""

from __future__ import annotations

from backends.device.model_runtime import RuntimeInfo

RUNTIME = RuntimeInfo("ais_bench", "", "", ("ascend",), stage="backends.inference.ais_run:run")
