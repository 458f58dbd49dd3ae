"""A network and its weights as an ONNX graph, node by node: nothing is traced or run, and torch is not needed.

Every operator is one that atc reads for five dimensions at opset 11: Conv, Relu, MaxPool, AveragePool, Add, Mul,
Concat, Flatten and Gemm. A batch normalization is folded into the convolution before it where nothing else reads that
convolution, in float64, and is a Mul and an Add elsewhere. Why: `docs/decisions/0005-onnx-graph.md` and
`docs/decisions/0018-model-families.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from backends.core.messages import N_, InputError, StageError
from backends.core.model_io import ClipShape
from backends.device.model_runtime import INPUT, OUTPUT
from backends.models.families import network_of
from backends.models.network import EPSILON, Architecture, Network, Op

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Weights = Mapping[str, Array]

OPSET = 11
"""Read by every CANN release (5.0.4 reads 9 to 13)."""

IR_VERSION = 6
"""What torch 1.x wrote with opset 11; atc refuses a version newer than the ONNX that it was built on."""

MOST_BYTES = 2**31 - 1
"""Of one protobuf message: a model with its weights inside cannot be larger."""


def build_graph(architecture: Architecture, weights: Weights, clip: ClipShape | None = None) -> onnx.ModelProto:
    """The model: `input` float32 (batch, 3, frames, size, size) to `output`, float32 logits (batch, classes).

    `weights` are the checkpoint's tensors by name. The same weights give the same bytes. Raises InputError where the
    model would be larger than an ONNX file can be, or the clips are too small for the network.
    """
    import onnx
    from onnx import helper

    clip = clip or ClipShape()
    size = sum(array.nbytes for array in weights.values())
    if size > MOST_BYTES - 2**20:
        text = N_("the weights take {size} bytes, an ONNX file holds at most {most}")
        raise InputError(text, hint="give a checkpoint of a smaller widen factor", size=size, most=MOST_BYTES)
    draft = _Draft(network_of(architecture, clip), weights)
    draft.write()
    shape = [clip.batch, architecture.in_channels, clip.frames, clip.size, clip.size]
    graph = helper.make_graph(
        draft.nodes,
        architecture.name,
        [helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, [clip.batch, architecture.classes])],
        draft.initializers,
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="r3d-tui")


class _Draft:
    """Nodes and weights as they are added."""

    def __init__(self, network: Network, weights: Weights) -> None:
        self.network, self.weights = network, weights
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._values = {0: INPUT}
        """Names of the values, by the place of the operation that gives them."""

    def write(self) -> None:
        readers = self.network.readers()
        for place, op in enumerate(self.network.ops[1:], 1):
            if place in self._values:  # a normalization that is in its convolution
                continue
            (*_, last) = readers[place] or (place,)
            is_folded = op.kind == "conv" and len(readers[place]) == 1 and self.network.ops[last].kind == "norm"
            self._values[place] = self._write(op, self.network.ops[last] if is_folded else None)
            if is_folded:
                self._values[last] = self._values[place]

    def _write(self, op: Op, norm: Op | None) -> str:
        x = [self._values[one] for one in op.inputs]
        match op.kind:
            case "conv":
                kernel = self.weights[f"{op.name}.weight"]
                return self._conv(op, x[0], *(fold(self.weights, op, norm) if norm else (kernel, None)))
            case "subsample":  # by ones and zeros: Pad of five dimensions is not promised by atc
                import numpy as np

                taken = self.network.ops[op.inputs[0]].channels
                kernel = np.eye(op.channels, taken, dtype=np.float32)[:, :, None, None, None]
                return self._conv(op, x[0], kernel, None)
            case "norm":
                gain, bias = _gain(self.weights, op)
                y = self._node("Mul", f"{op.name}.gain", [x[0], self._constant(f"{op.name}.gain.weight", gain)])
                return self._node("Add", op.name, [y, self._constant(f"{op.name}.bias", bias)])
            case "max_pool" | "avg_pool":
                operator = "MaxPool" if op.kind == "max_pool" else "AveragePool"
                pads = [*op.padding, *op.padding]
                return self._node(operator, op.name, x, kernel_shape=op.kernel, strides=op.stride, pads=pads)
            case "global_pool":  # not GlobalAveragePool: atc takes that for four dimensions only before CANN 8
                pooled = self._node("AveragePool", op.name, x, kernel_shape=op.kernel, strides=op.stride)
                return self._node("Flatten", "flatten", [pooled], axis=1)
            case "linear":
                names = [
                    self._weight(f"{op.name}.{part}", self.weights[f"{op.name}.{part}"]) for part in ("weight", "bias")
                ]
                return self._node("Gemm", op.name, [*x, *names], result=OUTPUT, alpha=1.0, beta=1.0, transB=1)
        attributes: dict[str, Any] = {"axis": 1} if op.kind == "concat" else {}
        return self._node(op.kind.title(), op.name, x, **attributes)

    def _conv(self, op: Op, x: str, kernel: Array, bias: Array | None) -> str:
        inputs = [x, self._weight(f"{op.name}.weight", kernel)]
        if bias is not None:
            inputs.append(self._weight(f"{op.name}.bias", bias))
        window: dict[str, Any] = {"kernel_shape": op.kernel, "pads": [*op.padding, *op.padding], "strides": op.stride}
        return self._node("Conv", op.name, inputs, dilations=[1, 1, 1], group=op.groups, **window)

    def _constant(self, name: str, values: Any) -> str:
        return self._weight(name, values.astype("float32").reshape(1, -1, 1, 1, 1))

    def _weight(self, name: str, values: Array) -> str:
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(values, name))
        return name

    def _node(self, operator: str, name: str, inputs: list[str], result: str = "", **attributes: Any) -> str:
        from onnx import helper

        result = result or f"{name}.out"
        self.nodes.append(helper.make_node(operator, inputs, [result], name=name, **attributes))
        return result


def fold(weights: Weights, conv: Op, norm: Op) -> tuple[Array, Array]:
    """The convolution's kernel and bias with its batch normalization in them, computed in float64, rounded once."""
    import numpy as np

    gain, bias = _gain(weights, norm)
    kernel = weights[f"{conv.name}.weight"] * gain[:, None, None, None, None]
    return kernel.astype(np.float32), bias.astype(np.float32)


def _gain(weights: Weights, norm: Op) -> tuple[Any, Any]:
    """float64: weight / sqrt(running_var + 1e-5) is the gain, and bias - running_mean x gain is added."""
    import numpy as np

    gamma, beta, mean, variance = (
        weights[f"{norm.name}.{part}"].astype(np.float64) for part in ("weight", "bias", "running_mean", "running_var")
    )
    gain = gamma / np.sqrt(variance + EPSILON)
    return gain, beta - mean * gain


MIDDLE = "input.normalized"
"""What the float model's input becomes."""


def with_uint8_input(
    model: onnx.ModelProto, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> onnx.ModelProto:
    """A copy of `model` whose `input` is uint8, of the same shape. StageError where it is no model of ours.

    Cast, Div 255, Sub mean, Div std stand in front: in that order and unmerged they give the very bits that the clip
    store gives (one multiply and add would not), and the mean stays in front of the first convolution, whose zero
    padding would be wrong otherwise. AIPP, which does such things for pictures, is not for five dimensions.
    """
    import onnx
    from onnx import helper

    ends = list(model.graph.input)
    if len(ends) != 1 or ends[0].name != INPUT or ends[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        text = N_("the model's input is not one of floats called {name}")
        raise StageError(text, hint="run the export and simplify stages again", name=INPUT)
    made = onnx.ModelProto()
    made.CopyFrom(model)
    for node in made.graph.node:
        node.input[:] = [MIDDLE if name == INPUT else name for name in node.input]
    made.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    steps = [helper.make_node("Cast", [INPUT], ["input.floats"], name="input.cast", to=onnx.TensorProto.FLOAT)]
    last = "input.floats"
    for operator, name, values in (("Div", "full", (255.0,)), ("Sub", "mean", mean), ("Div", "std", std)):
        result = MIDDLE if name == "std" else f"input.{name}.out"
        made.graph.initializer.append(_uint8_constant(f"input.{name}", values))
        steps.append(helper.make_node(operator, [last, f"input.{name}"], [result], name=f"input.{name}.{operator}"))
        last = result
    nodes = list(made.graph.node)
    del made.graph.node[:]
    made.graph.node.extend([*steps, *nodes])
    return made


def _uint8_constant(name: str, values: tuple[float, ...]) -> onnx.TensorProto:
    """One value, or one for each channel, as float32 (1, n, 1, 1, 1)."""
    import numpy as np
    from onnx import numpy_helper

    return numpy_helper.from_array(np.asarray(values, np.float32).reshape(1, -1, 1, 1, 1), name)
