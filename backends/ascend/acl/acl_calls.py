"""pyACL's calls, each one checked, and what was acquired released again in the documented order.

Nothing of pyACL raises: a call gives `ret`, `(value, ret)` or, some creators, the value alone. Here a bad code raises
DeviceError with the call and the code; the stage looks up what they mean (`ascend.acl_errors`).
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from backends.device.failures import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable

ORDER = (
    "destroy_data_buffer",
    "rt.free",
    "rt.free_host",
    "mdl.destroy_dataset",
    "mdl.unload",
    "mdl.destroy_desc",
    "rt.destroy_stream",
    "rt.destroy_context",
    "rt.reset_device",
    "finalize",
)
"""How CANN's documents release things, first to last."""
FAILED = 500000
"""ACL's own number for a failure that it does not name; stands where a creator gives nothing."""


class Calls:
    """`acl`, each call checked: `do` for what gives a code, `get` for what gives a value."""

    def __init__(self, acl: Any) -> None:
        self.acl = acl
        self._held: list[tuple[str, Callable[[], object]]] = []

    def do(self, name: str, *arguments: object) -> None:
        """Call `rt.memcpy` and the like. Raises DeviceError where the code is not 0."""
        answer = self._function(name)(*arguments)
        self._check(name, answer[-1] if isinstance(answer, tuple) else answer)

    def get(self, name: str, *arguments: object) -> Any:
        """Call `rt.malloc` and the like, and give the value. Raises DeviceError where there is none."""
        answer = self._function(name)(*arguments)
        if isinstance(answer, tuple):
            self._check(name, answer[-1])
            answer = answer[0]
        if answer is None:
            self._check(name, FAILED)
        return answer

    def make(self, name: str, *arguments: object, release: str) -> Any:
        """`get`, and remember to release it by the call `release`."""
        value = self.get(name, *arguments)
        self.hold(release, value)
        return value

    def hold(self, release: str, *arguments: object) -> None:
        """Remember a call for the end; `release` stands in `ORDER`."""
        self._held.append((release, lambda: self.do(release, *arguments)))

    def release(self) -> None:
        """Make all remembered calls, whichever of them fail: a lost chip refuses most. What fails stands in the log."""
        held, self._held = sorted(self._held, key=lambda pair: ORDER.index(pair[0])), []
        for name, call in held:
            try:
                call()
            except DeviceError as error:
                sys.stderr.write(f"releasing: {name}: {error}\n")

    def soc_name(self) -> str:
        """The chip as CANN names it; empty where this CANN has no such call."""
        ask = getattr(self.acl, "get_soc_name", None)
        return str(ask() or "") if ask is not None else ""

    def _function(self, name: str) -> Callable[..., Any]:
        found: Any = self.acl
        for part in name.split("."):
            found = getattr(found, part)
        return found  # type: ignore[no-any-return]

    def _check(self, name: str, code: int) -> None:
        if code == 0:
            return
        with contextlib.suppress(Exception):  # older releases have no such call, and it must not hide the code
            sys.stderr.write(f"acl.{name} gave {code}: {self.acl.get_recent_err_msg()}\n")
        raise DeviceError("{call} {code}", call=name, code=int(code))
