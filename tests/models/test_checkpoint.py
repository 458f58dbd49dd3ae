"""Tests of `backends.models.checkpoint` and `backends.models.torch_file`."""

from __future__ import annotations

import argparse
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backends.core.errors import InputError
from backends.models.architecture import BLOCKS, Architecture
from backends.models.checkpoint import Wanted, read_checkpoint
from tests.models.small import SMALL, random_state, save_checkpoint


def refusal(path: Path, wanted: Wanted | None = None) -> str:
    """The one line that reading the checkpoint is refused with."""
    with pytest.raises(InputError) as caught:
        read_checkpoint(path, wanted)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert caught.value.hint.template
    return text


def changed(path: Path, **tensors: Any) -> Path:
    """A checkpoint with tensors replaced, added or (None) taken out; `__` in a name stands for a dot."""
    state: dict[str, Any] = dict(random_state(SMALL))
    for name, tensor in tensors.items():
        if tensor is None:
            del state[name.replace("__", ".")]
        else:
            state[name.replace("__", ".")] = tensor
    return save_checkpoint(path, state_dict=state)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_names_with_and_without_module(tmp_path: Path, prefix: str) -> None:
    """A checkpoint of `DataParallel` and a plain one give the same network and the same tensors."""
    state = OrderedDict((prefix + name, tensor) for name, tensor in random_state(SMALL).items())
    checkpoint = read_checkpoint(save_checkpoint(tmp_path / "c.pth", state_dict=state))
    assert SMALL == checkpoint.architecture
    assert list(SMALL.shapes()) == list(checkpoint.state)
    assert torch.equal(random_state(SMALL)["fc.weight"], checkpoint.state["fc.weight"])
    assert (7, ()) == (checkpoint.epoch, checkpoint.warnings)


@pytest.mark.parametrize("zipped", [True, False])
def test_bare_state_dict_of_either_file_format(tmp_path: Path, zipped: bool) -> None:
    """A bare state_dict is read too, in today's zip format and in the one that torch wrote before 1.6."""
    torch.save(random_state(SMALL), tmp_path / "c.pth", _use_new_zipfile_serialization=zipped)
    checkpoint = read_checkpoint(tmp_path / "c.pth")
    assert (SMALL, None) == (checkpoint.architecture, checkpoint.epoch)


@pytest.mark.parametrize("depth", BLOCKS)
@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_every_architecture_is_told_from_its_tensors(tmp_path: Path, depth: int, shortcut: Any) -> None:
    """Depth, shortcut type, widen factor, classes and first kernel are read off names and shapes."""
    expected = Architecture(depth, 3, shortcut, widen=0.0625, conv1_t_size=3)
    checkpoint = read_checkpoint(save_checkpoint(tmp_path / "c.pth", expected))
    assert expected == checkpoint.architecture


@pytest.mark.parametrize("widen", [0.3, 1.7, 2.0])
def test_widen_factor_gives_the_same_widths(tmp_path: Path, widen: float) -> None:
    """A factor that gives fractions of channels is found as one with the same widths, and the true one is accepted."""
    expected = Architecture(10, 3, widen=widen, conv1_t_size=1)
    state = {name: torch.ones(shape) for name, shape in expected.shapes().items()}
    checkpoint = read_checkpoint(save_checkpoint(tmp_path / "c.pth", expected, state_dict=state), Wanted(widen=widen))
    assert expected.widths == checkpoint.architecture.widths


@pytest.mark.slow
def test_reference_tools_checkpoint(shared: Path, tmp_path: Path) -> None:
    """A file exactly as the training script saves it, with optimizer momentum and plateau scheduler, is read."""
    path, tool = tmp_path / "c.pth", shared / "tools/make_checkpoint.py"
    options = ["--depth", "10", "--module-prefix", "--scheduler", "plateau", "--momentum", str(path)]
    subprocess.run([sys.executable, str(tool), *options], check=True)
    checkpoint = read_checkpoint(path, Wanted(10, 51, "B", 1.0, 7))
    assert (Architecture(10, 51), 700) == (checkpoint.architecture, checkpoint.epoch)
    assert 14_425_587 == checkpoint.parameters


def test_harmless_extras_of_training_scripts(tmp_path: Path) -> None:
    """NumPy scalars (a scheduler's best loss) and the script's arguments do not stand in the way."""
    extras = {"scheduler": {"best": np.float64(1.5), "n": np.int64(3)}, "opt": argparse.Namespace(lr=0.1)}
    assert SMALL == read_checkpoint(save_checkpoint(tmp_path / "c.pth", **extras)).architecture


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    """Tensors saved in half precision are handed out as float32."""
    state = {name: t.half() if t.is_floating_point() else t for name, t in random_state(SMALL).items()}
    checkpoint = read_checkpoint(save_checkpoint(tmp_path / "c.pth", state_dict=state))
    assert torch.float32 == checkpoint.state["fc.weight"].dtype


def test_counters_may_be_missing(tmp_path: Path) -> None:
    """Checkpoints from before torch counted batches are complete without the counters."""
    state = {name: t for name, t in random_state(SMALL).items() if not name.endswith("num_batches_tracked")}
    assert SMALL == read_checkpoint(save_checkpoint(tmp_path / "c.pth", state_dict=state)).architecture


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(depth=50), "has depth 10, 50 was asked for (set depth = 10 in [model] of r3d.toml (--model_depth=10)"),
        (Wanted(classes=400), "has classes 5, 400 was asked for (set classes = 5"),
        (Wanted(shortcut="A"), 'has shortcut B, A was asked for (set shortcut = "B"'),
        (Wanted(widen=1.0), "has widen 0.125, 1.0 was asked for (set widen = 0.125"),
        (Wanted(conv1_t_size=7), "has conv1_t_size 3, 7 was asked for (set conv1_t_size = 3"),
    ],
)
def test_another_network_than_asked_for(small_checkpoint: Path, wanted: Wanted, expected: str) -> None:
    """What the user says and the tensors contradict is refused, with both and the line of r3d.toml to write."""
    assert expected in refusal(small_checkpoint, wanted)


@pytest.mark.parametrize(
    ("tensors", "expected"),
    [
        ({"layer3__0__bn1__bias": None}, "1 tensors of resnet-10 are missing, such as layer3.0.bn1.bias"),
        ({"layer3__0__conv1__weight": None}, "are missing, such as layer3.0.conv1.weight"),
        ({"extra__weight": torch.zeros(2)}, "1 tensors do not belong to resnet-10, such as extra.weight"),
        ({"e\x1b[31m\n": torch.zeros(2)}, r"such as e\x1b[31m\n"),
        ({"bn1__bias": torch.zeros(3)}, "bn1.bias is 3, in resnet-10 with shortcut B it is 8"),
        ({"bn1__weight": torch.full((8,), torch.nan)}, "bn1.weight has 8 values that are not finite, of 8"),
        ({"fc__bias": torch.tensor([1.0, torch.inf, 0, 0, 0])}, "fc.bias has 1 values that are not finite, of 5"),
        ({"bn1__running_var": torch.full((8,), -1.0)}, "bn1.running_var has a variance below zero"),
        ({"bn1__weight": torch.zeros(8, dtype=torch.int64)}, "bn1.weight holds torch.int64"),
        ({"bn1__weight": torch.zeros(1).expand(8)}, "bn1.weight claims more values than the file holds"),
        ({"conv1__weight": torch.zeros(8, 3, 7, 7)}, "conv1.weight is 8x3x7x7"),
        ({"conv1__weight": torch.zeros(8, 2, 3, 7, 7)}, "the network takes 2 channels, clips have 3"),
        ({"fc__weight": None}, "tensors such as conv1.weight are not those of a 3D ResNet"),
        ({"layer1__1__conv1__weight": torch.zeros(8, 8, 3, 3, 3)}, "do not belong to resnet-10, such as layer1.1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_wrong_tensors(tmp_path: Path, tensors: dict[str, Any], expected: str) -> None:
    """Missing, foreign, misshaped and spoilt tensors are named."""
    assert expected in refusal(changed(tmp_path / "c.pth", **tensors))


def test_blocks_of_no_known_depth(tmp_path: Path) -> None:
    """Blocks that belong to no depth are counted, where the file does not say its depth either."""
    path = changed(tmp_path / "c.pth", layer1__1__conv1__weight=torch.zeros(8, 8, 3, 3, 3))
    content = torch.load(path, weights_only=True)
    torch.save(content["state_dict"], path)
    assert "2, 1, 1, 1 blocks in its four layers" in refusal(path)


def test_arch_that_contradicts_the_tensors_is_a_warning(tmp_path: Path) -> None:
    """The tensors decide; a file that calls itself by another depth is read with a warning."""
    checkpoint = read_checkpoint(save_checkpoint(tmp_path / "c.pth", arch="resnet-50"))
    assert ["the checkpoint calls itself resnet-50, its tensors are those of resnet-10"] == [
        str(warning) for warning in checkpoint.warnings
    ]


class Hostile:
    """Runs a command where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_hostile_pickle_is_not_run(tmp_path: Path, zipped: bool) -> None:
    """A checkpoint that would run a command is refused by the name of what it holds, and the command is not run."""
    mark, path = tmp_path / "mark", tmp_path / "c.pth"
    torch.save({"state_dict": random_state(SMALL), "x": Hostile(mark)}, path, _use_new_zipfile_serialization=zipped)
    assert "holds posix.system, which is neither a tensor nor plain data; nothing of it was run" in refusal(path)
    assert not mark.exists()


def test_whole_module_is_refused(tmp_path: Path) -> None:
    """A pickled module instead of its state_dict is refused with the way to save it."""
    torch.save(torch.nn.Linear(2, 2), tmp_path / "c.pth")
    assert "save its state_dict() alone" in refusal(tmp_path / "c.pth")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty"),
        (b"hello\n" * 99, "a text file"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\x08\x06\x12\x07r3d-tui", "looks like an ONNX model"),
        (b"\x1f\x8b\x08\x00", "a gzip archive"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{}", "not a checkpoint of torch.save"),
        (b'\x10\x00\x00\x00\x00\x00\x00\x00{"a"', "a safetensors file"),
        (pickle.dumps({"state_dict": 1}), "a pickle that torch.save did not write"),
        (bytes(600), "not a checkpoint of torch.save"),
    ],
    ids=range(10),
)
def test_foreign_file_is_named_for_what_it_is(tmp_path: Path, content: bytes, expected: str) -> None:
    """A file of another kind is refused with the kind that it is."""
    path = tmp_path / "c.pth"
    path.write_bytes(content)
    assert expected in refusal(path)


def test_foreign_archives(tmp_path: Path) -> None:
    """A zip archive without a checkpoint in it, and a TorchScript module, are told from a checkpoint."""
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("a.txt", "x")
    assert "a zip archive without data.pkl" in refusal(tmp_path / "c.zip")
    with zipfile.ZipFile(tmp_path / "c.pt", "w") as archive:
        archive.writestr("c/data.pkl", "x")
        archive.writestr("c/constants.pkl", "x")
    assert "a TorchScript module" in refusal(tmp_path / "c.pt")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_truncated_file(tmp_path: Path, zipped: bool, kept: float) -> None:
    """A file that was cut off anywhere says so."""
    path = tmp_path / "c.pth"
    torch.save({"state_dict": random_state(SMALL)}, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    text = refusal(path)
    assert "cut off" in text or "damaged" in text


def test_damaged_values_are_a_warning(small_checkpoint: Path) -> None:
    """A byte that changed inside the archive is noticed by its checksum."""
    data = bytearray(small_checkpoint.read_bytes())
    data[len(data) // 2] ^= 1
    small_checkpoint.write_bytes(data)
    (warning,) = read_checkpoint(small_checkpoint).warnings
    assert "the checksum of small/data/" in str(warning)


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": 3}, {"state_dict": {}}, {"epoch": 3}, torch.zeros(3)])
def test_content_that_is_no_state_dict(tmp_path: Path, content: Any) -> None:
    """A file of torch.save that holds something else is refused."""
    torch.save(content, tmp_path / "c.pth")
    assert "state_dict" in refusal(tmp_path / "c.pth")


def test_missing_file_folder_and_pipe(tmp_path: Path) -> None:
    """A path that leads nowhere, to a folder or to a pipe is refused with the place to name the checkpoint."""
    os.mkfifo(tmp_path / "pipe")
    assert "not a file" in refusal(tmp_path / "pipe")
    assert "No such file" in refusal(tmp_path / "nowhere.pth")
    assert "Is a directory" in refusal(tmp_path)
