"""ONNX Runtime on a chip, over a stand-in of onnxruntime-cann: it computes there, or refuses; never on the CPU."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from backends.core.model_io import ClipShape
from backends.device.failures import DeviceError
from backends.device.model_runtime import DeviceSpec
from backends.device.protocol import DeviceSetup
from backends.inference.device_link import ProcessLink, as_line
from backends.inference.runtime_registry import Chosen, choose
from backends.inference.runtimes.cann import RUNTIME, CannOnnx

FAKE = Path(__file__).resolve().parents[1] / "fakes" / "cann_onnx" / "onnxruntime.py"
DEVICE = DeviceSpec("npu:3", 3)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file; the stand-in reads nothing of it."""
    path = tmp_path / "model.onnx"
    path.write_bytes(b"onnx")
    return path


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch):
    """Import the stand-in in place of onnxruntime, in one of its ways."""

    def put(mode: str = "") -> None:
        monkeypatch.setenv("FAKE_CANN_ONNX", mode)
        spec = importlib.util.spec_from_file_location("onnxruntime", FAKE)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setitem(sys.modules, "onnxruntime", module)

    return put


def test_it_computes_on_the_device_that_is_named(use, model: Path) -> None:
    """The device's number reaches the provider; logits are the session's; closing twice is safe."""
    use()
    made = CannOnnx()
    assert 5 == made.open(model, DEVICE, (2, *ClipShape().clip))
    batch = np.arange(2 * np.prod(ClipShape().clip), dtype=np.float32).reshape(2, *ClipShape().clip)
    np.testing.assert_array_equal(batch.reshape(2, -1)[:, :5] + 3, made.run(batch))
    assert "onnxruntime-cann 1.23.2" == made.version
    made.close()
    made.close()


@pytest.mark.parametrize(
    ("mode", "words", "mend"),
    [
        ("no_provider", "this ONNX Runtime has no CANN provider", "pip install onnxruntime-cann"),
        ("no_cann", "the CANN provider does not start: create CANN ExecutionProvider fail", "set_env.sh"),
        ("cpu_nodes", "would leave part of the model to the CPU", "acl"),
        ("lies", "would compute on CPUExecutionProvider instead of the chip", "set_env.sh"),
    ],
)
def test_it_never_runs_on_the_cpu(use, model: Path, mode: str, words: str, mend: str) -> None:
    """Every way in which the package would do so by itself is a need, in one line with the mend."""
    use(mode)
    with pytest.raises(DeviceError) as caught:
        CannOnnx().open(model, DEVICE, (2, *ClipShape().clip))
    assert words in str(caught.value.reason)
    assert mend in str(caught.value.hint)
    assert 3 == caught.value.exit_code
    assert "\n" not in str(caught.value)


def test_a_wrong_model_is_told(use, model: Path, tmp_path: Path) -> None:
    """A missing or foreign file, and another batch size, are the file's fault and not the machine's."""
    use()
    with pytest.raises(DeviceError, match="no such model"):
        CannOnnx().open(tmp_path / "none.onnx", DEVICE, (2, *ClipShape().clip))
    with pytest.raises(DeviceError, match="not input float32 10x3x16x112x112"):
        CannOnnx().open(model, DEVICE, (10, *ClipShape().clip))
    model.write_bytes(b"")
    with pytest.raises(DeviceError, match="cannot read the model"):
        CannOnnx().open(model, DEVICE, (2, *ClipShape().clip))


def test_the_cpus_own_package_is_refused(model: Path) -> None:
    """The onnxruntime that is installed for the CPU has no such provider: a need, and no session."""
    ort = pytest.importorskip("onnxruntime")
    if "CANNExecutionProvider" in ort.get_available_providers():
        pytest.skip("onnxruntime-cann is installed here")
    with pytest.raises(DeviceError, match="no CANN provider"):
        CannOnnx().open(model, DEVICE, (2, *ClipShape().clip))
    assert "cann" == choose("ascend", "cann").info.name


@contextlib.contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Standard error is a file, as that of a stage is."""
    ours = os.dup(2)
    with path.open("w") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(ours, 2)
        os.close(ours)


def test_a_failure_of_run_has_the_cause_of_its_number(
    model: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number stands in the log alone, which all devices share, and not in the exception."""
    monkeypatch.setenv("FAKE_CANN_ONNX", "fails 507015")
    monkeypatch.setenv("PYTHONPATH", str(FAKE.parent))
    setup = DeviceSetup(os.getpid(), RUNTIME.entry, str(model), str(store), 2, DEVICE)
    with _logged(tmp_path / "log"):
        os.write(2, b"CANN failure 507899: of another chip, before ; NPU=1\n")
        link = ProcessLink(setup, tmp_path, Chosen(RUNTIME))
        until = time.monotonic() + 20
        while link.failed is None and time.monotonic() < until:
            link.answers()
            time.sleep(0.01)
        why = link.ended()
    assert "AI Core" in str(as_line(why.reason))
    assert "507015" in str(as_line(why.reason))
    assert why.hint.template
