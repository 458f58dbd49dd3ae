"""Memory for pyACL: pinned host buffers seen by NumPy, device buffers, the datasets made of them, and the copies.

All host memory that the device reads or writes comes from `malloc_host`, as asynchronous copies ask for, so no Python
object's own memory is ever handed over and none has to outlive a pointer.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backends.ascend.acl.acl_calls import Calls

if TYPE_CHECKING:
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
