"""Tests of `backends.models.network`."""

from __future__ import annotations

import pytest
import torch

from backends.models.architecture import BLOCKS, Architecture
from backends.models.network import build_network, from_architecture


@pytest.mark.parametrize("depth", BLOCKS)
@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_state_dict_has_the_architectures_tensors(depth: int, shortcut: str) -> None:
    """The torch network of every depth has exactly the tensors that its description lists."""
    architecture = Architecture(depth, 51, shortcut)
    with torch.device("meta"):
        network = from_architecture(architecture)
    assert architecture.shapes() == {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def test_parameters_of_depth_50() -> None:
    """Depth 50 with 51 classes has the 46.3 million parameters that are published for it."""
    with torch.device("meta"):
        network = build_network(50, 51)
    assert 46_303_475 == sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("changes", [{}, {"shortcut": "A"}, {"no_max_pool": True}, {"conv1_t_stride": 2}])
@pytest.mark.parametrize("depth", [10, 50])
def test_learns_and_keeps_its_promised_sizes(depth: int, changes: dict[str, object]) -> None:
    """A forward pass has the feature map that the description promises, and every parameter gets a gradient."""
    torch.manual_seed(0)
    network = build_network(depth, 5, widen=0.0625, **changes)
    seen: list[tuple[int, ...]] = []
    network.layer4.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[2:])))
    logits = network(torch.randn(2, 3, 16, 40, 40))
    logits.sum().backward()
    assert (2, 5) == logits.shape
    assert [network.architecture.feature_map(16, 40)] == seen
    assert [] == [name for name, parameter in network.named_parameters() if parameter.grad is None]


def test_shortcut_a_takes_every_second_value_and_adds_zeros() -> None:
    """Type A's shortcut is the input at every second place, with channels of zeros behind it."""
    network = build_network(10, 5, "A", widen=0.0625)
    x = torch.randn(1, 4, 4, 6, 6)
    out = network.layer2[0].shortcut(x)
    assert torch.equal(x[:, :, ::2, ::2, ::2], out[:, :4])
    assert torch.equal(torch.zeros(1, 4, 2, 3, 3), out[:, 4:])
