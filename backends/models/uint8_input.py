"""A model that takes the clips' bytes: Cast, Div 255, Sub mean, Div std in front of one that takes floats.

In that order and unmerged it gives the very bits that the clip store gives (one multiply and add would not), and the
mean stays in front of the first convolution, whose zero padding would be wrong otherwise. AIPP, which does such things
for pictures, is not for five dimensions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.core.errors import StageError
from backends.core.messages import N_
from backends.device.model_runtime import INPUT

if TYPE_CHECKING:
    import onnx

MIDDLE = "input.normalised"
"""What the float model's input becomes."""


def with_uint8_input(
    model: onnx.ModelProto, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> onnx.ModelProto:
    """A copy of `model` whose `input` is uint8, of the same shape. StageError where it is no model of ours."""
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
        made.graph.initializer.append(_constant(f"input.{name}", values))
        steps.append(helper.make_node(operator, [last, f"input.{name}"], [result], name=f"input.{name}.{operator}"))
        last = result
    nodes = list(made.graph.node)
    del made.graph.node[:]
    made.graph.node.extend([*steps, *nodes])
    return made


def _constant(name: str, values: tuple[float, ...]) -> onnx.TensorProto:
    """One value, or one for each channel, as float32 (1, n, 1, 1, 1)."""
    import numpy as np
    from onnx import numpy_helper

    return numpy_helper.from_array(np.asarray(values, np.float32).reshape(1, -1, 1, 1, 1), name)
