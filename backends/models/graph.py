"""The ONNX graph of a checked checkpoint, node by node. It refuses to trace, to run anything and to know torch.

Every operator is one that atc reads for five dimensions at opset 11: Conv, Relu, MaxPool, Add, AveragePool, Flatten
and Gemm. Batch normalisations are folded into the convolutions, in float64. Why: `docs/decisions/0005-onnx-graph.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from backends.core.errors import InputError
from backends.core.messages import N_
from backends.core.model_io import ClipShape
from backends.device.model_runtime import INPUT, OUTPUT
from backends.models.architecture import EPSILON, Architecture, Block, Conv, Triple

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from numpy.typing import NDArray

    Weights = Mapping[str, NDArray[np.float32]]

OPSET = 11
"""Read by every CANN release (5.0.4 reads 9 to 13)."""

IR_VERSION = 6
"""What torch 1.x wrote with opset 11; atc refuses a version newer than the ONNX that it was built on."""

MOST_BYTES = 2**31 - 1
"""Of one protobuf message: a model with its weights inside cannot be larger."""


def build_graph(architecture: Architecture, weights: Weights, clip: ClipShape | None = None) -> onnx.ModelProto:
    """The model: `input` float32 (batch, 3, frames, size, size) to `output`, float32 logits (batch, classes).

    `weights` are the checkpoint's tensors by name. The same weights give the same bytes. Raises InputError where the
    model would be larger than an ONNX file can be.
    """
    import onnx
    from onnx import helper

    clip = clip or ClipShape()
    size = sum(array.nbytes for array in weights.values())
    if size > MOST_BYTES - 2**20:
        text = N_("the weights take {size} bytes, an ONNX file holds at most {most}")
        raise InputError(text, hint="give a checkpoint of a smaller widen factor", size=size, most=MOST_BYTES)
    draft = _Draft(weights)
    draft.network(architecture, architecture.feature_map(clip.frames, clip.size))
    shape = [clip.batch, architecture.in_channels, clip.frames, clip.size, clip.size]
    graph = helper.make_graph(
        draft.nodes,
        architecture.name,
        [helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, [clip.batch, architecture.classes])],
        draft.initialisers,
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="r3d-tui")


class _Draft:
    """Nodes and weights as they are added; each method gives the name of the value that it made."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []

    def network(self, architecture: Architecture, feature_map: Triple) -> None:
        x = self.relu(self.convolution(architecture.stem, INPUT), "relu")
        if not architecture.no_max_pool:
            threes, twos = [3, 3, 3], [2, 2, 2]
            x = self.node("MaxPool", "maxpool", [x], kernel_shape=threes, strides=twos, pads=[1] * 6)
        for block in architecture.blocks():
            x = self.block(block, x)
        # not GlobalAveragePool: atc takes that for four dimensions only before CANN 8
        x = self.node("AveragePool", "avgpool", [x], kernel_shape=list(feature_map), strides=[1, 1, 1])
        x = self.node("Flatten", "flatten", [x], axis=1)
        names = [self.weight(name, self.weights[name]) for name in ("fc.weight", "fc.bias")]
        self.node("Gemm", "fc", [x, *names], result=OUTPUT, alpha=1.0, beta=1.0, transB=1)

    def block(self, block: Block, x: str) -> str:
        out = x
        for number, conv in enumerate(block.convs, 1):
            out = self.convolution(conv, out)
            if number < len(block.convs):
                out = self.relu(out, f"{block.name}.relu{number}")
        out = self.node("Add", f"{block.name}.add", [out, self.shortcut(block, x)])
        return self.relu(out, f"{block.name}.relu{len(block.convs)}")

    def shortcut(self, block: Block, x: str) -> str:
        if block.project is not None:
            return self.convolution(block.project, x)
        if not block.resized:
            return x
        # Type A takes every second value and adds channels of zeros. A convolution by ones and zeros gives exactly
        # that, with an operator that the graph has anyway: Pad of five dimensions is not promised by atc.
        import numpy as np

        kernel = np.eye(block.outputs, block.inputs, dtype=np.float32)[:, :, None, None, None]
        name = f"{block.name}.shortcut"
        stride = (block.stride, block.stride, block.stride)
        return self.conv_node(Conv(name, "", block.inputs, block.outputs, (1, 1, 1), stride), kernel, None, x)

    def convolution(self, conv: Conv, x: str) -> str:
        kernel, bias = fold(self.weights, conv)
        return self.conv_node(conv, kernel, bias, x)

    def conv_node(self, conv: Conv, kernel: NDArray[np.float32], bias: NDArray[np.float32] | None, x: str) -> str:
        inputs = [x, self.weight(f"{conv.name}.weight", kernel)]
        if bias is not None:
            inputs.append(self.weight(f"{conv.name}.bias", bias))
        kernel_shape, strides, pads = list(conv.kernel), list(conv.stride), [*conv.padding, *conv.padding]
        ones = [1, 1, 1]
        return self.node(
            "Conv", conv.name, inputs, dilations=ones, group=1, kernel_shape=kernel_shape, pads=pads, strides=strides
        )

    def relu(self, x: str, name: str) -> str:
        return self.node("Relu", name, [x])

    def weight(self, name: str, values: NDArray[np.float32]) -> str:
        from onnx import numpy_helper

        self.initialisers.append(numpy_helper.from_array(values, name))
        return name

    def node(self, operator: str, name: str, inputs: list[str], result: str = "", **attributes: Any) -> str:
        from onnx import helper

        result = result or f"{name}.out"
        self.nodes.append(helper.make_node(operator, inputs, [result], name=name, **attributes))
        return result


def fold(weights: Weights, conv: Conv) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The convolution's kernel and bias with its batch normalisation in them, computed in float64, rounded once.

    gain = weight / sqrt(running_var + 1e-5); kernel x gain; bias - running_mean x gain.
    """
    import numpy as np

    gamma, beta, mean, variance = (
        weights[f"{conv.norm}.{part}"].astype(np.float64) for part in ("weight", "bias", "running_mean", "running_var")
    )
    gain = gamma / np.sqrt(variance + EPSILON)
    kernel = weights[f"{conv.name}.weight"] * gain[:, None, None, None, None]
    return kernel.astype(np.float32), (beta - mean * gain).astype(np.float32)
