"""pyACL's calls, each checked, and memory for them: pinned host buffers, device buffers, datasets, and the copies.

All host memory that the device reads or writes comes from `malloc_host`, as asynchronous copies ask for, so no Python
object's own memory is ever handed over and none has to outlive a pointer.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backends.device.failures import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

HUGE_FIRST = 0
TO_DEVICE, TO_HOST, WITHIN_DEVICE = 1, 2, 3


def host_memory(calls: Calls, size: int) -> tuple[int, NDArray[np.uint8]]:
    """Pinned host memory: its address and a view of it, which ends with `Calls.release`."""
    import numpy as np

    address = calls.make("rt.malloc_host", size, release="rt.free_host")
    util = calls.acl.util
    if hasattr(util, "ptr_to_numpy") and not hasattr(util, "bytes_to_ptr"):  # older CANN
        old: NDArray[np.uint8] = util.ptr_to_numpy(
            address, (size,), np.dtype(np.uint8).num
        )  # NumPy's number, not ACL's
        return address, old
    # newer CANN gives bytes, which are a copy: the address itself is the only way to write there
    memory = (ctypes.c_uint8 * size).from_address(address)
    return address, np.ctypeslib.as_array(memory)


def device_dataset(calls: Calls, size: int) -> tuple[int, int]:
    """A dataset of one device buffer of `size` bytes, and the buffer's address."""
    dataset = calls.make("mdl.create_dataset", release="mdl.destroy_dataset")
    address = calls.make("rt.malloc", size, HUGE_FIRST, release="rt.free")
    buffer = calls.make("create_data_buffer", address, size, release="destroy_data_buffer")
    calls.do("mdl.add_dataset_buffer", dataset, buffer)
    return dataset, address


@dataclass
class Slot:
    """Memory for one batch: on the host, on the device, and a stream of its own that brings it over."""

    host: int
    batch: NDArray[Any]
    """The host memory as clips."""
    device: int
    dataset: int
    stream: int
    staged: bool = field(default=False)


def make_slot(calls: Calls, shape: tuple[int, ...], kind: str) -> Slot:
    """A slot for batches of `shape` and `kind` (float32 or uint8), filled with zeros."""
    import numpy as np

    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    stream = calls.make("rt.create_stream", release="rt.destroy_stream")
    host, view = host_memory(calls, size)
    view[:] = 0
    dataset, device = device_dataset(calls, size)
    return Slot(host, view.view(kind).reshape(shape), device, dataset, stream)


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
