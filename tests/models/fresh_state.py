"""Weights of an untrained network, for tests of training and for `tools/train_demo.py`."""

from __future__ import annotations

import torch

from backends.models.network import Network


def fresh_state(network: Network) -> dict[str, torch.Tensor]:
    """Weights as the reference draws them before training (set `torch.manual_seed` before)."""
    state: dict[str, torch.Tensor] = {}
    for name, shape in network.tensors().items():
        is_one = name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight"))
        tensor = torch.ones(shape) if is_one else torch.zeros(shape)
        if len(shape) == 5:
            torch.nn.init.kaiming_normal_(tensor, mode="fan_out", nonlinearity="relu")
        elif name.startswith(f"{network.head}."):
            bound = network.tensors()[f"{network.head}.weight"][1] ** -0.5
            torch.nn.init.uniform_(tensor, -bound, bound)
        state[name] = tensor.long() if name.endswith("num_batches_tracked") else tensor
    return state
