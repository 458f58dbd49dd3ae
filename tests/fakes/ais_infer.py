"""The way in of generation A: `python3 ais_infer.py`, a script beside its package."""

import os
import sys

os.environ["FAKE_AIS_GENERATION"] = "A"

from ais_bench.__main__ import main

sys.exit(main(sys.argv[1:]))
