"""Stands for the compiled package that ais_bench imports before anything else, `--help` included."""

import os

if os.environ.get("FAKE_AIS_NO_ACLRUNTIME"):
    raise ModuleNotFoundError("No module named 'aclruntime'", name="aclruntime")
