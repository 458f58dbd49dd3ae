"""Run a module as `python -m` does, but never from the current folder: `python .../run_module.py MODULE ARGUMENT ...`.

That folder may be anybody's: a data set with a `json.py` in it. (PYTHONSAFEPATH does it from Python 3.11 on.) Nothing
that the process makes is writable for others, whatever umask it was started under.
"""

import os
import sys

if __name__ == "__main__":
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 - nothing else is imported yet
    import runpy

    os.umask(os.umask(0o077) | 0o002)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
