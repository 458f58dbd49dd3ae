"""Starts the process of a device by this file's path, under whatever Python runs it.

Another Python than ours must not see our packages (its NumPy is another), so `backends` alone is made importable.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def _find_ourselves() -> None:
    """Make `backends` importable from where this file lies, and nothing beside it."""
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != _HERE]
    root = _HERE.parent
    spec = importlib.util.spec_from_file_location(
        "backends", str(root / "__init__.py"), submodule_search_locations=[str(root)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["backends"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


if __name__ == "__main__":
    _find_ourselves()
    if len(sys.argv) > 1:
        from backends.device.pure_loop import main
    else:
        from backends.device.device_process import main

    sys.exit(main())
