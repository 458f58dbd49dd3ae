"""A guard between us and a foreign tool: `run_module.py backends.worker.process_guard COMMAND ...`.

It leads a session of its own, runs the command, and gives its exit status. When its standard input ends, because the
worker that holds the other end is gone however it went, it kills the whole group: the tool's wrapper, its compiler
processes and itself.
"""

import os
import subprocess
import sys
from pathlib import Path

from backends.core.processes import end_group_with

NOT_FOUND = 127
"""Exit status where there is no such command, as shells give it."""


def main(command: list[str]) -> int:
    """Run the command to its end; a signal that ended it becomes 128 + its number, as shells give it."""
    end_group_with(sys.stdin.buffer)
    try:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, env=_environment(), check=False).returncode
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return NOT_FOUND
    return 128 - status if status < 0 else status


def _environment() -> dict[str, str]:
    """Ours without what our children import by: atc starts a Python of its own, which must find its own modules."""
    environment = dict(os.environ)
    environment.pop("PYTHONSAFEPATH", None)
    root = str(Path(__file__).resolve().parents[2])
    paths = [path for path in environment.pop("PYTHONPATH", "").split(os.pathsep) if path not in ("", root)]
    return {**environment, "PYTHONPATH": os.pathsep.join(paths)} if paths else environment


if __name__ == "__main__":
    ended = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(ended)  # the thread that watches standard input would hold up an orderly end
