"""Every function of the backends that reads a file, with a sound file for it. A test holds the list complete.

A reader that is new gets one line here: its function, what calls it with a path, and what stands in a sound file.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import io
import json
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import backends
from backends.ascend import ais_bench_install, cann, log_diagnosis, npu_smi_calls
from backends.core import device_samples, files
from backends.data import annotation, class_names, clip_store, datasets, frames, score_rows
from backends.device.clip_format import INDEX
from backends.engine import journal
from backends.evaluate import accuracy, result_files
from backends.models import checkpoint
from backends.monitor import cpu_groups
from backends.workspace import settings_file
from tests import replay

ROOT = Path(__file__).resolve().parents[1]
ANNOTATION = {
    "labels": ["b", "a"],
    "database": {"v": {"subset": "validation", "annotations": {"label": "a", "segment": [1, 17]}}},
}
VAL = {"results": {"v": [{"label": "a", "score": 0.75}, {"label": "b", "score": 0.25}]}}
SUMMARY = {"NPU_compute_time": {"mean": 2.5, "median": 2.25}, "throughput": 400.0, "npu_compute_time_list": [2.0, 2.5]}
SETTINGS = b'[dataset]\nvideos = "v"\n[infer]\nbatch = 10\ndevices = [0, 1]\n[verify]\nmax_abs = 1e-3\n'
HEADER = b'{"format":1,"classes":2,"meta":""}\n'
RECORD = b'{"label":"a","id":"v","frames":3,"bytes":9,"source":"s"}\n'


class Reader(NamedTuple):
    """One function and how to call it."""

    function: Callable[..., Any]
    call: Callable[[Path], object]
    sound: bytes
    name: str = "file"
    """Of the file; a reader of a folder finds it there."""
    is_ours: bool = False
    """It lies inside .r3d or is the kernel's: no person names it."""


def _npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((2, 2), np.float32))
    return file.getvalue()


def _of(
    function: Callable[..., Any],
    sound: bytes,
    *more: Any,
    name: str = "file",
    folder: bool = False,
    ours: bool = False,
) -> Reader:
    def call(path: Path) -> object:
        return function(path.parent if folder else path, *more)

    return Reader(function, call, sound, name, ours)


READERS = (
    _of(ais_bench_install.read_summary, json.dumps(SUMMARY).encode(), ours=True),
    _of(annotation.read_annotation, json.dumps(ANNOTATION).encode()),
    _of(annotation.read_json, json.dumps(ANNOTATION).encode(), "a hint"),
    _of(annotation.read_labels, json.dumps(ANNOTATION).encode()),
    _of(cann.read_version, b"Version=8.0.RC2\n", ours=True),
    _of(checkpoint.read_checkpoint, b"PK\x03\x04" + bytes(60)),
    _of(class_names.read_class_names, b"1 a\n2 b\n"),
    _of(cpu_groups.read_ticks, b"cpu0 1 2 3 4 5 6 7 8 9 10\n", name="stat", folder=True, ours=True),
    _of(clip_store.read_index, b"{} 00000000\n", name=INDEX, folder=True, ours=True),
    _of(datasets.read_lists, b"v.avi 1\nw.avi 2\n", 1, name="a_test_split1.txt", folder=True),
    _of(device_samples.read_history, b'{"device":"npu:0","at":1.5,"power_w":20.5}\n', ours=True),
    _of(device_samples.read_samples, b'{"device":"npu:0","at":1.5,"power_w":20.5}\n', ours=True),
    Reader(files.read_file, functools.partial(files.read_file, hint="", most=1 << 20), b"x"),
    _of(frames.read_records, RECORD, ours=True),
    _of(journal.read_state, b"SQLite format 3\0" + bytes(100), ours=True),
    _of(log_diagnosis.read_saved_log, b"E10001: Value [Ascend1] for parameter [--soc_version] is invalid\n"),
    _of(npu_smi_calls.read_devices, (ROOT / "tests/ascend/outputs/310P3_duo_driver_24.1.txt").read_bytes()),
    _of(replay.read_story, (ROOT / "tests/stories/new.jsonl").read_bytes()),
    _of(result_files.read_info, b"v 3\nw 10\n"),
    _of(result_files.read_rows, b"0.5 0.25 0.125 0.125\n", 2, 2, name="v_0.txt"),
    _of(result_files.read_rows, bytes(16), 2, 2, name="v_0.bin"),
    _of(result_files.read_rows, _npy(), 2, 2, name="v_0.npy"),
    _of(lambda path: list(score_rows.all_records(path)), HEADER, ours=True),
    _of(score_rows.read_header, HEADER, ours=True),
    _of(settings_file.read_settings, SETTINGS, name="r3d.toml", folder=True),
    _of(accuracy.read_val, json.dumps(VAL).encode(), ["a", "b"]),
)

NOT_READERS: Mapping[str, str] = {
    "backends.api.open_client": "opens a workspace",
    "backends.api.open_catalog": "opens a workspace",
    "backends.workspace.browser.open_catalog": "opens a workspace",
    "backends.inference.infer.open_index": "takes a class by name; its read_index is here",
    "backends.device.model_runtime.read_failure": "words a failure",
    "backends.models.torch_pickle.read_zipped": "goes on in a file that read_checkpoint has opened",
    "backends.models.torch_pickle.read_legacy": "goes on in a file that read_checkpoint has opened",
    "backends.data.video_clips.read_video": "an unreadable video is a reason in what it gives, as a stage needs it",
}


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Functions of all modules that are called read_* or open_* and take a path."""
    for module in pkgutil.walk_packages(backends.__path__, "backends."):
        if module.name.endswith("__main__") or "._assets" in module.name or module.name.rpartition(".")[2][0] == "_":
            continue
        for name, function in vars(importlib.import_module(module.name)).items():
            if not (name.startswith(("read_", "open_")) and inspect.isfunction(function)):
                continue
            if function.__module__ == module.name and "Path" in str(inspect.signature(function)):
                yield f"{module.name}.{name}", function
