"""Tests of `backends.models.architecture`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backends.models.architecture import BLOCKS, Architecture


@pytest.mark.parametrize("depth", BLOCKS)
def test_tensors_are_the_references(shared: Path, depth: int) -> None:
    """Every depth has the tensor names and shapes of the reference's checkpoints, in their order."""
    table = json.loads((shared / "data/reference/resnet3d_shapes.json").read_text())
    expected = [(name, tuple(shape)) for name, shape in table[str(depth)].items()]
    assert expected == list(Architecture(depth, 51).shapes().items())


def test_shortcut_a_has_no_projections() -> None:
    """Type A has the same tensors as B but for the projections."""
    with_b, with_a = Architecture(50, 51).shapes(), Architecture(50, 51, "A").shapes()
    assert {name: shape for name, shape in with_b.items() if ".downsample." not in name} == with_a


def test_widths_are_cut_down_to_whole_numbers() -> None:
    """A widen factor that gives fractions of channels is cut down, as the reference does."""
    assert (19, 38, 76, 153) == Architecture(18, 51, widen=0.3).widths


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (1, 4, 4)),
        ({"no_max_pool": True}, (2, 7, 7)),
        ({"conv1_t_stride": 2}, (1, 4, 4)),
        ({"no_max_pool": True, "conv1_t_stride": 2}, (1, 7, 7)),
    ],
)
def test_feature_map_before_the_average_pool(changes: dict[str, int], expected: tuple[int, int, int]) -> None:
    """A clip of 16x112x112 reaches the average pool as the guide's (1, 4, 4), larger without the max pool."""
    assert expected == Architecture(50, 51, **changes).feature_map(16, 112)
