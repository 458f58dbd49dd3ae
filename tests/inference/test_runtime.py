"""Every runtime that is installed does the same thing, and says in one line what is wrong with a model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backends.core.messages import InputError, NeedError
from backends.core.model_io import ClipShape
from backends.core.processes import child_environment
from backends.device.failures import DeviceError
from backends.device.model_runtime import DeviceSpec, Runtime, load
from backends.inference import runtime_registry, runtimes
from backends.inference.runtime_registry import choose, known_runtimes, runtime_names
from backends.inference.runtimes.null import Null
from tests.inference.rig import CLASSES, Rig, make_model

BUILT = [name for name, known in known_runtimes().items() if known.entry and "cpu" in known.targets]
REAL = [name for name in BUILT if name != "null"]
DEVICE = DeviceSpec("cpu:0", 0, (0,), {"classes": CLASSES})


@pytest.fixture
def made(request: pytest.FixtureRequest) -> Runtime:
    """The runtime by its name; skipped where its module is not installed."""
    pytest.importorskip(known_runtimes()[request.param].module)
    return load(known_runtimes()[request.param].entry)()


@pytest.fixture
def batch() -> np.ndarray:
    """Ten clips, the last three of them padding."""
    clips = np.random.default_rng(2).normal(size=(10, *ClipShape().clip)).astype(np.float32)
    clips[7:] = 0
    return clips


def reference(model: Path, batch: np.ndarray) -> np.ndarray:
    """The small model by hand."""
    import onnx
    from onnx import numpy_helper

    weights = numpy_helper.to_array(onnx.load(str(model)).graph.initializer[0])
    pooled = batch.reshape(len(batch), 3, 4, 4, 4, 28, 4, 28).mean(axis=(3, 5, 7))
    return pooled.reshape(len(batch), -1) @ weights


@pytest.mark.parametrize("made", BUILT, indirect=True)
def test_a_runtime_opens_once_and_runs_often(made: Runtime, model: Path, batch: np.ndarray) -> None:
    """It gives float32 logits (batch, classes), the same for the same clips, and they stay the caller's."""
    assert CLASSES == made.open(model, DEVICE, (10, *ClipShape().clip))
    first = made.run(batch)
    kept = first.copy()
    made.run(np.ascontiguousarray(batch[::-1]))
    again = made.run(batch)
    assert ((10, CLASSES), np.float32) == (first.shape, first.dtype)
    assert kept.tobytes() == first.tobytes() == again.tobytes()
    assert made.version.partition(" ")[2]
    made.close()
    made.close()


@pytest.mark.parametrize("made", BUILT, indirect=True)
def test_a_clips_scores_do_not_depend_on_its_neighbours(made: Runtime, model: Path, batch: np.ndarray) -> None:
    """In another slot, among other clips, a clip has the same logits (to the last bits)."""
    made.open(model, DEVICE, (10, *ClipShape().clip))
    turned = made.run(np.ascontiguousarray(np.roll(batch, 3, axis=0)))
    np.testing.assert_allclose(np.roll(turned, -3, axis=0), made.run(batch), rtol=1e-5, atol=1e-6)
    made.close()


@pytest.mark.parametrize("made", REAL, indirect=True)
def test_a_runtime_computes_the_model(made: Runtime, model: Path, batch: np.ndarray) -> None:
    """The logits are those of the same sums in NumPy."""
    made.open(model, DEVICE, (10, *ClipShape().clip))
    np.testing.assert_allclose(reference(model, batch), made.run(batch), rtol=1e-4, atol=1e-5)
    made.close()


@pytest.mark.parametrize("made", REAL, indirect=True)
@pytest.mark.parametrize("size", [3, 10])
def test_a_free_batch_dimension_takes_any_batch(made: Runtime, tmp_path: Path, batch: np.ndarray, size: int) -> None:
    """A model whose batch is not fixed runs at the batch that is asked for."""
    model = make_model(tmp_path / "free.onnx", None)
    assert CLASSES == made.open(model, DEVICE, (size, *ClipShape().clip))
    assert (size, CLASSES) == made.run(batch[:size]).shape
    made.close()


@pytest.mark.parametrize("made", REAL, indirect=True)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch": 4}, "the model's input is input float32 4x3x16x112x112, not input float32 10x3x16x112x112"),
        ({"frames": 8}, "the model's input is input float32 10x3x8x112x112"),
        ({"name": "data"}, "the model's input is data float32 10x3x16x112x112, not input"),
        ({"kind": 7}, "not input float32 10x3x16x112x112"),
    ],
    ids=["batch", "frames", "name", "type"],
)
def test_a_model_of_another_form_is_one_clear_line(made: Runtime, tmp_path: Path, change, words: str) -> None:
    """What the model takes and what was wanted stand in one line with the file."""
    model = make_model(tmp_path / "other.onnx", **change)
    with pytest.raises(DeviceError) as caught:
        made.open(model, DEVICE, (10, *ClipShape().clip))
    assert words in str(caught.value.reason)
    assert str(model) in str(caught.value.reason)


@pytest.mark.parametrize("made", REAL, indirect=True)
@pytest.mark.parametrize("data", [None, b"", b"no model at all", b"\x08\x06\x12\x07pytorch"], ids=repr)
def test_a_file_that_is_no_model_is_one_clear_line(made: Runtime, tmp_path: Path, data: bytes | None) -> None:
    """A missing, empty or foreign file is an DeviceError that names it."""
    model = tmp_path / "broken.onnx"
    if data is not None:
        model.write_bytes(data)
    with pytest.raises(DeviceError, match=r"broken\.onnx: ") as caught:
        made.open(model, DEVICE, (10, *ClipShape().clip))
    assert "\n" not in str(caught.value)


def test_auto_takes_the_best_that_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU OpenVINO before ONNX Runtime; with neither, the need says what to install."""
    here = {"openvino", "onnxruntime"}
    monkeypatch.setattr(runtime_registry, "_importable", here.__contains__)
    assert "openvino" == choose("cpu", "auto").info.name
    here.discard("openvino")
    assert "onnxruntime" == choose("cpu", "auto").info.name
    here.clear()
    with pytest.raises(NeedError, match="pip install onnxruntime"):
        choose("cpu", "auto")


def test_a_runtime_that_is_not_installed_is_a_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for by name it is missed by name."""
    monkeypatch.setattr(runtime_registry, "_importable", lambda module: False)
    with pytest.raises(NeedError, match="the runtime onnxruntime needs the Python module onnxruntime"):
        choose("cpu", "onnxruntime")


@pytest.mark.parametrize("name", ["tensorrt", "acl", "os:system", ""])
def test_a_wrong_name_lists_the_right_ones(name: str) -> None:
    """Unknown names, and names of another target, are usage errors."""
    with pytest.raises(InputError, match="auto, openvino, onnxruntime, null"):
        choose("cpu", name)


def test_every_runtime_that_is_known_is_built() -> None:
    """By a class of its own, a tool by the class of its devices; names stand in the order in which auto takes them."""
    assert all(":" in known.entry for known in known_runtimes().values())
    assert ("auto", "openvino", "onnxruntime", "null") == runtime_names("cpu")
    assert ("auto", "acl", "ais_bench", "cann", "null") == runtime_names("ascend")
    assert choose("ascend", "ais_bench").info.is_tool


def test_openvino_calls_nobody(model: Path) -> None:
    """Opening it imports no telemetry, which would fork this process and send an event over the network."""
    pytest.importorskip("openvino")
    code = (
        "import sys; from pathlib import Path; from backends.inference.runtimes.openvino import OpenVino; "
        "from backends.device.model_runtime import DeviceSpec; "
        "OpenVino().open(Path(sys.argv[1]), DeviceSpec('cpu:0'), (10, 3, 16, 112, 112)); "
        "sys.exit(any(m.startswith('openvino_telemetry.') for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(model)], check=False, env=child_environment(model))
    assert done.returncode == 0


OWN = """
from backends.device.model_runtime import RuntimeInfo

RUNTIME = RuntimeInfo("twice", "tests.inference.test_runtime:Twice", "numpy", ("cpu",))
"""


class Twice(Null):
    """A runtime of somebody else's: the null runtime's logits, doubled."""

    version = "twice 1"

    def run(self, batch: np.ndarray) -> np.ndarray:
        """As in `Runtime.run`."""
        return 2 * super().run(batch)


def test_a_runtime_is_one_file_that_is_found_and_used(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file beside the others, with its RUNTIME: it is offered by name, chosen, and computes a run."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "twice.py").write_text(OWN)
    monkeypatch.setattr(runtimes, "__path__", [*runtimes.__path__, str(tmp_path / "own")])
    known_runtimes.cache_clear()
    try:
        assert "twice" in runtime_names("cpu")
        options = {"classes": CLASSES}
        assert "twice 1" == rig.infer({"runtime": "twice", "options": options}).figures["runtime_version"]
        doubled = rig.rows
        other = Rig(tmp_path / "other", rig.store, rig.model)
        other.infer({"runtime": "null", "options": options})
    finally:
        known_runtimes.cache_clear()
    for number, row in other.rows.items():
        np.testing.assert_array_equal(2 * np.frombuffer(row, "<f4"), np.frombuffer(doubled[number], "<f4"))
