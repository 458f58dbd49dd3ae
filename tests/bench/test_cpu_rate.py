"""The CPU runtimes' bench: its operations are those of the model, and it measures what is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.core.messages import InputError, StageError
from bench.cpu_rate import SGEMM, bench_cpu, macs_per_clip

pytest.importorskip("onnx")


def test_multiply_adds_are_counted_by_hand(tmp_path: Path) -> None:
    """A convolution takes its kernel for every value of its output, a matrix product a row of weights."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kernel = numpy_helper.from_array(np.zeros((4, 3, 3, 7, 7), np.float32), "kernel")
    matrix = numpy_helper.from_array(np.zeros((5, 4), np.float32), "matrix")
    nodes = [
        helper.make_node("Conv", ["input", "kernel"], ["conv"], pads=[1, 3, 3, 1, 3, 3], strides=[1, 2, 2]),
        helper.make_node("GlobalAveragePool", ["conv"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix"], ["output"], transB=1),
    ]
    ends = [("input", [2, 3, 16, 112, 112]), ("output", [2, 5])]
    first, last = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ends)
    graph = helper.make_graph(nodes, "net", [first], [last], [kernel, matrix])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8), tmp_path / "net.onnx"
    )
    assert 4 * 16 * 56 * 56 * 3 * 3 * 7 * 7 + 4 * 5 == macs_per_clip(tmp_path / "net.onnx", 2)


def test_every_runtime_stands_beside_the_matrix_product(model: Path) -> None:
    """Each has a rate by the clock and by processor time; shares are of the product in the same run."""
    pytest.importorskip("onnxruntime")
    found = bench_cpu(model, threads=1, rounds=1, runtimes=["onnxruntime"])
    assert [SGEMM, "onnxruntime"] == [rate.name for rate in found.rates]
    assert (1, 10) == (found.threads, found.batch)
    product, runtime = found.rates
    assert runtime.gflop_per_s / product.gflop_per_s == found.share("onnxruntime")
    assert runtime.gflop_per_core_s / product.gflop_per_core_s == found.share("onnxruntime", cores=True)
    assert found.share("openvino") is None
    assert product.clips_per_s is None


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    """A missing model is the caller's, a broken one the runtime's word."""
    with pytest.raises(InputError, match="no such model"):
        bench_cpu(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(StageError, match="could not be measured"):
        bench_cpu(tmp_path / "bad.onnx", threads=1, runtimes=[])
