"""`python -m backends.ascend.chip_probe [--soc]`: print the machine's chips as one line of JSON, for stages to read.

With `--soc` every way to a soc_version is tried, `acl.get_soc_name()` among them, in processes of their own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from backends.ascend.npu_smi_calls import read_devices, read_ids
from backends.core.codec import dumps
from backends.core.processes import die_with_parent
from backends.core.values import DeviceTable

TRIES = 3
PAUSE_S = 1.0
"""Small boards refuse a call while another one, the sampler's, is at work."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one DeviceTable. A failing tool is reported in its `error`; the exit code is 0 in any case."""
    given = sys.argv[1:] if arguments is None else arguments
    die_with_parent()
    table = DeviceTable("live")
    for attempt in range(TRIES):
        time.sleep(PAUSE_S if attempt else 0)
        table = read_devices("live") if "--soc" in given else read_ids(own_group=False)
        if table.chips or (table.error is not None and table.error.code in ("timeout", None)):
            break
    sys.stdout.write(dumps(table) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
