"""A guard between us and a foreign tool: `run_module.py backends.worker.process_guard COMMAND ...`.

It leads a session of its own, runs the command, and gives its exit status. When its standard input ends, because the
worker that holds the other end is gone however it went, it kills the whole group: the tool's wrapper, its compiler
processes and itself.
"""

import os
import subprocess
import sys

from backends.core.processes import end_group_with, foreign_environment

NOT_FOUND = 127
"""Exit status where there is no such command, as shells give it."""


def main(command: list[str]) -> int:
    """Run the command to its end; a signal that ended it becomes 128 + its number, as shells give it."""
    end_group_with(sys.stdin.buffer)
    environment = foreign_environment()
    environment.pop("PYTHONSAFEPATH", None)  # atc starts a Python of its own, which must find its own modules
    try:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, env=environment, check=False).returncode
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return NOT_FOUND
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    ended = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(ended)  # the thread that watches standard input would hold up an orderly end
