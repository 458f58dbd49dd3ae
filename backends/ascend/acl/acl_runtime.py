"""An Ascend chip through pyACL: an `.om` loaded once, batches copied ahead of time, scores copied back.

The next batch travels on a stream of its own while the model is in execution; both threads share one context. `acl`
is imported here only, in the process of a device. Why so: docs/decisions/0008-ascend.md.
"""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.ascend.acl.acl_memory import (
    TO_DEVICE,
    TO_HOST,
    WITHIN_DEVICE,
    Calls,
    Slot,
    device_dataset,
    host_memory,
    make_slot,
)
from backends.device.failures import N_, DeviceError
from backends.device.model_runtime import INPUT, OUTPUT, DeviceSpec, Port, check_ports

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KINDS = {0: "float32", 1: "float16", 2: "int8", 3: "int32", 4: "uint8", 9: "int64", 11: "float64"}
"""ACL's numbers of element types that a model may have; the rest shows as its number."""
INPUTS = ("float32", "uint8")
OUTPUTS = ("float32", "float16")
ON_DEVICE = 0
"""Run mode of a host that is the chip's own processor (310B boards): its memory is the device's."""


class Acl:
    """One chip of an Ascend server; a `Staging` runtime."""

    def __init__(self) -> None:
        self.version = "acl"
        self._lock = threading.Lock()
        """Held by whoever calls pyACL beside the main thread, and by `close`."""
        self._calls: Calls | None = None
        self._threads: set[int] = set()
        """Threads that have our context."""
        self._slots: dict[int, Slot] = {}
        """By address of their host memory."""
        self._foreign: Slot | None = None
        self._context = self._model = 0
        self._over, self._back = TO_DEVICE, TO_HOST
        self._shape: tuple[int, ...] = ()
        self._kind = ""

    def open(self, model: Path, device: DeviceSpec, shape: tuple[int, ...]) -> int:
        """Take the chip and load the `.om`; as in `Runtime.open`.

        The input may be float32 or uint8 (then the graph normalises), the output float32 or float16: the model says
        which. Raises DeviceError where the chip or CANN refuses, an `.om` for another chip among others.
        """
        if not model.is_file():
            raise DeviceError("{path}: no such model", hint="run the compile stage", exit_code=2, path=str(model))
        os.environ.setdefault("ASCEND_LOG_DEVICE_FLUSH_TIMEOUT", "0")  # or finalize waits two seconds for logs
        import acl

        calls = self._calls = Calls(acl)
        try:
            self._take_chip(calls, device)
            return self._load(calls, model, shape)
        except BaseException:
            self.close()
            raise

    def buffers(self, count: int) -> list[NDArray[Any]]:
        """As in `Staging.buffers`: pinned memory, three copies of it on the device."""
        return [self._new_slot().batch for _ in range(count)]

    def stage(self, batch: NDArray[Any]) -> None:
        """As in `Staging.stage`: an asynchronous copy on the batch's own stream. After `close` nothing happens."""
        with self._lock:
            if self._calls is None:
                return
            if threading.get_ident() not in self._threads:
                self._calls.do("rt.set_context", self._context)
                self._threads.add(threading.get_ident())
            self._send(self._calls, self._slots[batch.ctypes.data])

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """As in `Runtime.run`; of `buffers` one that was staged waits for its copy only."""
        import numpy as np

        calls = self._calls
        assert calls is not None, "run before open"
        slot = self._slots.get(batch.ctypes.data) or self._copied(batch)
        if not slot.staged:
            self._send(calls, slot)
        calls.do("rt.synchronize_stream", slot.stream)
        slot.staged = False
        calls.do("mdl.execute", self._model, slot.dataset, self._scores_set)
        size = self._scores.nbytes
        calls.do("rt.memcpy", self._scores_host, size, self._scores_device, size, self._back)
        return self._scores.astype(np.float32)  # a copy in every case

    def close(self) -> None:
        """Release everything in the order that CANN asks for, whatever has failed before."""
        with self._lock:
            calls, self._calls = self._calls, None
            slots, self._slots, self._foreign = self._slots, {}, None
            for slot in slots.values():
                if calls is not None and slot.staged:  # memory must not go while a copy is on its way
                    with contextlib.suppress(DeviceError):
                        calls.do("rt.synchronize_stream", slot.stream)
            if calls is not None:
                calls.release()

    def _take_chip(self, calls: Calls, device: DeviceSpec) -> None:
        index = device.index
        calls.do("init")
        calls.hold("finalize")
        calls.do("rt.set_device", index)
        calls.hold("rt.reset_device", index)
        self._context = calls.make("rt.create_context", index, release="rt.destroy_context")
        self._threads = {threading.get_ident()}
        alone = calls.get("rt.get_run_mode") == ON_DEVICE
        self._over, self._back = (WITHIN_DEVICE, WITHIN_DEVICE) if alone else (TO_DEVICE, TO_HOST)
        parts = ("CANN", device.options.get("cann"), calls.soc_name())
        self.version = " ".join(["acl", *(str(part) for part in parts if part)])

    def _load(self, calls: Calls, model: Path, shape: tuple[int, ...]) -> int:
        """Load the model, check its ends and allocate memory for its scores; gives its number of classes."""
        import numpy as np

        desc = calls.make("mdl.create_desc", release="mdl.destroy_desc")
        self._model = calls.make("mdl.load_from_file", str(model), release="mdl.unload")
        calls.do("mdl.get_desc", desc, self._model)
        inputs, outputs = _ports(calls, desc, "input", INPUT), _ports(calls, desc, "output", OUTPUT)
        classes = check_ports(model, shape, _taken(inputs, INPUTS), _taken(outputs, OUTPUTS))
        self._shape, self._kind = shape, inputs[0].kind
        _check_size(calls, desc, model, int(np.prod(self._shape)) * np.dtype(self._kind).itemsize)
        size = int(calls.get("mdl.get_output_size_by_index", desc, 0))
        self._scores_set, self._scores_device = device_dataset(calls, size)
        self._scores_host, view = host_memory(calls, size)
        kind = np.dtype(outputs[0].kind)
        self._scores = view[: shape[0] * classes * kind.itemsize].view(kind).reshape(shape[0], classes)
        return classes

    def _new_slot(self) -> Slot:
        assert self._calls is not None, "buffers before open"
        slot = make_slot(self._calls, self._shape, self._kind)
        self._slots[slot.host] = slot
        return slot

    def _copied(self, batch: NDArray[Any]) -> Slot:
        """Memory of somebody else's, copied into a slot kept for that."""
        if batch.shape != self._shape or batch.dtype != self._kind:
            found = "a batch of {} {}, not {} {}"
            raise ValueError(found.format(batch.dtype, batch.shape, self._kind, self._shape))
        if self._foreign is None:
            self._foreign = self._new_slot()
        self._foreign.batch[:] = batch
        return self._foreign

    def _send(self, calls: Calls, slot: Slot) -> None:
        size = slot.batch.nbytes
        calls.do("rt.memcpy_async", slot.device, size, slot.host, size, self._over, slot.stream)
        slot.staged = True


def _taken(ports: list[Port], kinds: tuple[str, ...]) -> list[Port]:
    """The ports as if they were float32 where they are of one of `kinds`, which we handle."""
    return [replace(port, kind="float32") if port.kind in kinds else port for port in ports]


def _ports(calls: Calls, desc: int, end: str, name: str) -> list[Port]:
    """The model's inputs or outputs. atc renames an output after its last operator: a single end is called `name`."""
    ports = []
    count = calls.get(f"mdl.get_num_{end}s", desc)
    for index in range(count):
        dims = calls.get(f"mdl.get_{end}_dims", desc, index)
        number = calls.get(f"mdl.get_{end}_data_type", desc, index)
        shape = tuple(n if n > 0 else None for n in dims["dims"])
        ports.append(
            Port(name if count == 1 else str(dims.get("name", "")), shape, KINDS.get(number, f"type {number}"))
        )
    return ports


def _check_size(calls: Calls, desc: int, model: Path, wanted: int) -> None:
    found = int(calls.get("mdl.get_input_size_by_index", desc, 0))
    if found != wanted:
        text = N_("{path}: the model's input takes {found} bytes a batch, not {wanted}")
        hint = N_("compile the exported model with fixed shapes and without AIPP")
        raise DeviceError(text, hint=hint, exit_code=2, path=str(model), found=found, wanted=wanted)
