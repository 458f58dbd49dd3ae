"""A network's forward pass in torch, on the tensors of a state dict: what the models are verified against.

Every operation is torch's own, unfused, so that nothing of the exported graph's folding is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from backends.models.network import EPSILON, Network, Op

if TYPE_CHECKING:
    from torch import Tensor

    State = Mapping[str, Tensor]


def forward(network: Network, state: State, clips: Tensor, *, training: bool = False) -> Tensor:
    """Logits (clips, classes) of float32 clips (clips, channels, frames, height, width).

    In training the normalizations take the batch's own statistics and move the running ones. A value is let go of
    after its last reader, and ReLU works in place where it is that.
    """
    readers = network.readers()
    values: dict[int, Tensor] = {0: clips}
    for place, op in enumerate(network.ops[1:], 1):
        taken = [values[one] for one in op.inputs]
        for one in set(op.inputs):
            if readers[one][-1] == place:
                del values[one]
        is_free = op.inputs[0] not in values and op.inputs[0] != 0
        values[place] = _compute(op, taken, state, is_free=is_free, training=training)
    return values[len(network.ops) - 1]


def _compute(op: Op, x: list[Tensor], state: State, *, is_free: bool, training: bool) -> Tensor:
    import torch
    from torch.nn import functional as nn

    match op.kind:
        case "conv":
            return nn.conv3d(x[0], state[f"{op.name}.weight"], None, op.stride, op.padding, 1, op.groups)
        case "norm":
            mean, variance = state[f"{op.name}.running_mean"], state[f"{op.name}.running_var"]
            weight, bias = state[f"{op.name}.weight"], state[f"{op.name}.bias"]
            return nn.batch_norm(x[0], mean, variance, weight, bias, training, 0.1, EPSILON)
        case "relu":
            return torch.relu_(x[0]) if is_free else torch.relu(x[0])
        case "max_pool":
            return nn.max_pool3d(x[0], op.kernel, op.stride, op.padding)
        case "avg_pool":
            return nn.avg_pool3d(x[0], op.kernel, op.stride)
        case "add":
            return x[0] + x[1]
        case "concat":
            return torch.cat(x, 1)
        case "subsample":
            t, h, w = op.stride
            return nn.pad(x[0][:, :, ::t, ::h, ::w], (0, 0, 0, 0, 0, 0, 0, op.channels - x[0].shape[1]))
        case "global_pool":
            return nn.adaptive_avg_pool3d(x[0], 1).flatten(1)
        case "linear":
            return nn.linear(x[0], state[f"{op.name}.weight"], state[f"{op.name}.bias"])
        case "input":
            raise AssertionError("the clips are no operation")
