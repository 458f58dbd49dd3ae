"""pyACL of a simulated server: `import acl` there gives this module. Models run on the CPU by ONNX Runtime.

A batch takes at least the time that is published for a 310P. Its scores are computed once on this server and replayed
where it comes again; a chip that is to fail does so some seconds after that began. Streams and contexts are numbers
without effect: copies are done when they are asked for. What a caller may do wrong is not looked for: the tests' own
stand-in does that.
"""

import ctypes
import itertools
import json
import os
import time
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

CLIPS_PER_S = float("inf")
"""Of one chip: the published rate, which the `acl.py` of a workspace puts here."""
MEMORY = 21534 << 20
"""Bytes of one chip."""
NO_DEVICE, NO_MODEL, NOT_LOADED, NO_MEMORY, LOST = 107001, 145003, 545001, 207018, 507010
SAMPLE = 4096
"""Values of a batch that tell it from others."""
FOREVER = float("inf")
_KINDS = {"tensor(float)": (0, "float32"), "tensor(float16)": (1, "float16"), "tensor(uint8)": (4, "uint8")}
_FIRST_LINE = 64
"""Bytes that are read of an `.om` for its chip."""

_numbers = itertools.count(1)
_things: dict[int, Any] = {}
"""Descriptions, models, datasets and data buffers by their numbers."""
_blocks: dict[int, Any] = {}
"""Memory by address; a chip's is the host's."""
_known: dict[Path, Any] = {}
"""Scores of batches, by the file that keeps them."""
_state = SimpleNamespace(device=0, chip={}, last="", model=0, replaying=0.0)


def _new(thing: Any) -> int:
    number = next(_numbers)
    _things[number] = thing
    return number


def _root() -> Path:
    return Path(os.environ["R3D_TUI_SIMULATED"])


def _chips() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((_root() / "server.json").read_text(encoding="utf-8"))["chips"]
    return found


def _fine(*_: object) -> int:
    return 0


def _number(*_: object) -> tuple[int, int]:
    return next(_numbers), 0


def _refused(text: str, code: int) -> int:
    _state.last = text
    return code


def get_recent_err_msg() -> str:
    return str(_state.last)


def get_soc_name() -> str:
    """Such as Ascend310P3."""
    return str(_chips()[0]["soc"])


def _set_device(index: int) -> int:
    chip = next((chip for chip in _chips() if chip["device"] == index), None)
    if chip is None:
        return _refused(f"there is no device {index}", NO_DEVICE)
    _state.device, _state.chip = index, chip
    _marker().parent.mkdir(exist_ok=True)
    _marker().touch()
    return 0


def _reset_device(_: int) -> int:
    _marker().unlink(missing_ok=True)
    return 0


def _marker() -> Path:
    """What the simulated npu-smi knows a process of this chip by."""
    return _root() / "open" / f"{_state.device}-{os.getpid()}"


def _malloc(size: int, *_: object) -> tuple[int, int]:
    if sum(map(len, _blocks.values())) + size > MEMORY:
        return 0, _refused("device memory is exhausted", NO_MEMORY)
    block = (ctypes.c_ubyte * size)()
    address = ctypes.addressof(block)
    _blocks[address] = block
    return address, 0


def _free(address: int) -> int:
    _blocks.pop(address, None)
    return 0


def _memcpy(to: int, _most: int, source: int, size: int, *_: object) -> int:
    ctypes.memmove(to, source, size)
    return 0


def _load(path: str) -> tuple[int, int]:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as ort

    data = Path(path).read_bytes()
    _state.model = zlib.crc32(data)
    head, _, model = data.partition(b"\n")
    soc = head[4:_FIRST_LINE].decode("ascii", "replace")
    if not head.startswith(b"IMOD") or soc != _state.chip.get("soc"):
        return 0, _refused(
            f"ModelCheckCompatibility failed, socVersion={get_soc_name()}, the model's {soc}", NOT_LOADED
        )
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return _new(ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])), 0


def _describe(description: int, model: int) -> int:
    session = _things.get(model)
    if session is None:
        return NO_MODEL
    _things[description] = {"input": session.get_inputs(), "output": session.get_outputs()}
    return 0


def _dims(description: int, end: str, index: int) -> tuple[dict[str, Any], int]:
    port = _things[description][end][index]
    return {"name": port.name, "dimCount": len(port.shape), "dims": list(port.shape)}, 0


def _size(description: int, end: str, index: int) -> int:
    import numpy as np

    port = _things[description][end][index]
    return int(np.prod(port.shape)) * np.dtype(_KINDS[port.type][1]).itemsize


def _add_buffer(dataset: int, buffer: int) -> tuple[int, int]:
    _things[dataset].append(_things[buffer])
    return dataset, 0


def _arrays(ports: Any, dataset: int) -> list[Any]:
    import numpy as np

    pairs = zip(ports, _things[dataset], strict=True)
    raw = [(port, (ctypes.c_ubyte * size).from_address(address)) for port, (address, size) in pairs]
    return [np.frombuffer(memory, _KINDS[port.type][1]).reshape(port.shape) for port, memory in raw]


def _execute(model: int, inputs: int, outputs: int, *_: object) -> int:
    session, begin = _things.get(model), time.monotonic()
    if session is None:
        return NO_MODEL
    if _state.replaying and begin - _state.replaying > _state.chip.get("fails_after_s", FOREVER):
        return _refused("simulated: the chip lost its heartbeat", LOST)
    ports = session.get_inputs()
    batch, target = _arrays(ports, inputs)[0], _arrays(session.get_outputs(), outputs)[0]
    target[...] = _scores(session, ports[0].name, batch)
    time.sleep(max(0.0, begin + ports[0].shape[0] / CLIPS_PER_S - time.monotonic()))
    return 0


def _scores(session: Any, name: str, batch: Any) -> Any:
    """The model's output: computed, or read where any chip has computed this batch with this model before."""
    import numpy as np

    sample = batch.reshape(-1)[:: max(1, batch.size // SAMPLE)].tobytes()
    place = _root() / "scores" / f"{_state.model:08x}-{zlib.crc32(sample):08x}.npy"
    if place not in _known:
        if not place.is_file():
            _known[place] = session.run(None, {name: batch})[0]
            place.parent.mkdir(exist_ok=True)
            part = place.with_suffix(f".{os.getpid()}.npy")
            np.save(part, _known[place])
            part.replace(place)
            return _known[place]
        _known[place] = np.load(place)
    _state.replaying = _state.replaying or time.monotonic()
    return _known[place]


def _drop(number: int) -> int:
    _things.pop(number, None)
    return 0


init = finalize = _fine


def create_data_buffer(address: int, size: int) -> int:
    """The number of a pair that a dataset holds."""
    return _new((address, size))


destroy_data_buffer = _drop

rt = SimpleNamespace(
    get_device_count=lambda: (len(_chips()), 0),
    set_device=_set_device,
    reset_device=_reset_device,
    create_context=_number,
    set_context=_fine,
    destroy_context=_fine,
    get_run_mode=lambda: (1, 0),
    create_stream=_number,
    destroy_stream=_fine,
    synchronize_stream=_fine,
    synchronize_stream_with_timeout=_fine,
    get_mem_info=lambda _: (MEMORY - sum(map(len, _blocks.values())), MEMORY, 0),
    malloc=_malloc,
    malloc_host=_malloc,
    free=_free,
    free_host=_free,
    memcpy=_memcpy,
    memcpy_async=_memcpy,
)
mdl = SimpleNamespace(
    load_from_file=_load,
    unload=_drop,
    create_desc=lambda: _new({}),
    get_desc=_describe,
    destroy_desc=_drop,
    get_num_inputs=lambda description: len(_things[description]["input"]),
    get_num_outputs=lambda description: len(_things[description]["output"]),
    get_input_dims=lambda description, index: _dims(description, "input", index),
    get_output_dims=lambda description, index: _dims(description, "output", index),
    get_input_size_by_index=lambda description, index: _size(description, "input", index),
    get_output_size_by_index=lambda description, index: _size(description, "output", index),
    get_input_data_type=lambda description, index: _KINDS[_things[description]["input"][index].type][0],
    get_output_data_type=lambda description, index: _KINDS[_things[description]["output"][index].type][0],
    create_dataset=lambda: _new([]),
    add_dataset_buffer=_add_buffer,
    destroy_dataset=_drop,
    execute=_execute,
    execute_async=_execute,
)
util = SimpleNamespace(
    bytes_to_ptr=lambda data: ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0,
    ptr_to_bytes=ctypes.string_at,
)
