"""Tests of `backends.models.checkpoint` and `backends.models.torch_outline` and `torch_pickle`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pickle
import subprocess
import sys
import time
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from backends.core.messages import InputError
from backends.models.checkpoint import identify, read_checkpoint
from backends.models.families import network_of
from backends.models.network import Architecture, ReadLimits, Wanted, options_beside
from backends.models.torch_outline import outline, tensor_values
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
    assert list(network_of(SMALL).tensors()) == list(checkpoint.state)
    assert np.array_equal(random_state(SMALL)["fc.weight"], checkpoint.state["fc.weight"])
    assert (7, ()) == (checkpoint.epoch, checkpoint.warnings)


@pytest.mark.parametrize("zipped", [True, False])
def test_bare_state_dict_of_either_file_format(tmp_path: Path, zipped: bool) -> None:
    """A bare state_dict is read too, in today's zip format and in the one that torch wrote before 1.6."""
    torch.save(random_state(SMALL), tmp_path / "c.pth", _use_new_zipfile_serialization=zipped)
    checkpoint = read_checkpoint(tmp_path / "c.pth")
    assert (SMALL, None) == (checkpoint.architecture, checkpoint.epoch)


def torch_module(state: dict[str, torch.Tensor]) -> torch.nn.Module:
    """A tree of modules whose own `state_dict()` has these names; in eval mode, nothing of it can be computed."""
    root = torch.nn.Module()
    for name, tensor in state.items():
        *path, last = name.split(".")
        place = root
        for step in path:
            if step not in dict(place.named_children()):
                place.add_module(step, torch.nn.Module())
            place = place.get_submodule(step)
        place.register_buffer(last, tensor.clone())
    return root


@pytest.mark.parametrize("zipped", [True, False])
def test_what_a_trainer_saves_of_its_network_optimizer_and_scheduler(tmp_path: Path, zipped: bool) -> None:
    """A module's own state_dict has versions of its layers as an attribute, and the optimizer's has tensors too."""
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], 0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [50, 100])
    weight.sum().backward()
    optimizer.step()
    network = torch_module({name: torch.as_tensor(values) for name, values in random_state(SMALL).items()})
    saved = {"epoch": 7, "arch": "resnet-10", "state_dict": torch.nn.DataParallel(network).state_dict(),
             "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}  # fmt: skip
    assert saved["state_dict"]._metadata
    for number, content in enumerate((saved, network.state_dict())):
        path = tmp_path / f"{number}.pth"
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        assert np.array_equal(random_state(SMALL)["fc.weight"], read_checkpoint(path).state["fc.weight"])


@pytest.mark.parametrize("widen", [0.3, 1.7, 2.0])
def test_widen_factor_gives_the_same_widths(tmp_path: Path, widen: float) -> None:
    """A factor that gives fractions of channels is found as one with the same widths, and the true one is accepted."""
    expected = Architecture(10, 3, widen=widen, conv1_t_size=1)
    state = {name: torch.ones(shape) for name, shape in network_of(expected).tensors().items()}
    checkpoint = read_checkpoint(save_checkpoint(tmp_path / "c.pth", expected, state_dict=state), Wanted(widen=widen))
    assert network_of(expected).widths == network_of(checkpoint.architecture).widths


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
    assert np.float32 == checkpoint.state["fc.weight"].dtype


@pytest.mark.parametrize("zipped", [True, False])
def test_values_are_those_that_torch_reads(tmp_path: Path, zipped: bool) -> None:
    """Views into one storage, transposed, in double or bfloat16, of either file format; torch is not imported."""
    state = random_state(SMALL)
    storage = torch.cat([torch.full((3,), 9.0), state["bn1.weight"], state["bn1.bias"]])
    state |= {"bn1.weight": storage[3:11], "bn1.bias": storage[11:]}
    state["fc.weight"] = state["fc.weight"].t().contiguous().t()
    state["fc.bias"], state["conv1.weight"] = state["fc.bias"].double(), state["conv1.weight"].bfloat16()
    path = tmp_path / "c.pth"
    torch.save({"state_dict": state}, path, _use_new_zipfile_serialization=zipped)
    read = read_checkpoint(path).state
    expected = torch.load(path, weights_only=True)["state_dict"]
    assert list(expected) == list(read)
    for name, tensor in expected.items():
        values = tensor.float() if tensor.is_floating_point() else tensor
        np.testing.assert_array_equal(values.numpy(), read[name], err_msg=name)
    code = "import sys, pathlib; from backends.models.checkpoint import read_checkpoint"
    code += "; read_checkpoint(pathlib.Path(sys.argv[1])); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


class Forged:
    """A tensor of eight values, five apart, in a storage of sixteen."""

    def __reduce__(self) -> Any:
        storage = torch.zeros(16).storage()  # as torch itself pickles a tensor
        return torch._utils._rebuild_tensor_v2, (storage, 0, (8,), (5,), False, OrderedDict())


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_tensor_that_reaches_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    """Strides that lead out of the storage, as only a forged file has them, are refused by the tensor's name."""
    path = changed(tmp_path / "c.pth", bn1__weight=Forged())
    assert "bn1.weight claims more values than the file holds" in refusal(path)


def test_file_replaced_between_outline_and_values_is_refused(tmp_path: Path) -> None:
    """A shorter file and one of the same length: places of the one mean nothing in the other."""
    path = save_checkpoint(tmp_path / "c.pth", state_dict=dict(random_state(SMALL)))
    found, content = outline(path), path.read_bytes()
    for other in (b"PK", content[::-1]):
        (tmp_path / "new").write_bytes(other)
        (tmp_path / "new").replace(path)
        with pytest.raises(InputError, match=r"c\.pth: the checkpoint changed while it was read"):
            list(tensor_values(path, found))


def test_counters_may_be_missing(tmp_path: Path) -> None:
    """Checkpoints from before torch counted batches are complete without the counters."""
    state = {name: t for name, t in random_state(SMALL).items() if not name.endswith("num_batches_tracked")}
    assert SMALL == read_checkpoint(save_checkpoint(tmp_path / "c.pth", state_dict=state)).architecture


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (
            Wanted(depth=50),
            "(set model.depth = 10 in r3d.toml (--model_depth=10)",
        ),
        (Wanted(classes=400), "(set model.classes = 5 in r3d.toml (--n_classes=5)"),
        (Wanted(shortcut="A"), '3), A was requested (set model.shortcut = "B"'),
        (Wanted(widen=1.0), "3), 1.0 was requested (set model.widen = 0.125"),
        (Wanted(conv1_t_size=7), "3), 7 was requested (set model.conv1_t_size = 3"),
    ],
)
def test_another_network_than_asked_for(small_checkpoint: Path, wanted: Wanted, expected: str) -> None:
    """What the user says and the tensors contradict is refused, with what was found and what to write."""
    text = refusal(small_checkpoint, wanted)
    assert expected in text
    assert "(a resnet-10 of 5 classes, shortcut B, widths 8 16 32 64, conv1_t_size 3), " in text


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
        ({"bn1__weight": torch.zeros(8, dtype=torch.int64)}, "bn1.weight holds int64"),
        ({"bn1__weight": torch.zeros(1).expand(8)}, "bn1.weight claims more values than the file holds"),
        (
            {"conv1__weight": torch.zeros(8, 3, 7, 7)},
            "conv1.weight (8x3x7x7), named resnet-10, belong to no known network",
        ),
        ({"conv1__weight": torch.zeros(8, 2, 3, 7, 7)}, "the resnet-10 takes 2 channels, clips have 3"),
        (
            {"fc__weight": None},
            "a resnet-10 without its classifier (fc.weight)",
        ),
        ({"layer1__1__conv1__weight": torch.zeros(8, 8, 3, 3, 3)}, "do not belong to resnet-10, such as layer1.1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_wrong_tensors(tmp_path: Path, tensors: dict[str, Any], expected: str) -> None:
    """Missing, foreign, misshaped and spoilt tensors are named."""
    assert expected in refusal(changed(tmp_path / "c.pth", **tensors))


def test_blocks_of_no_known_depth(tmp_path: Path) -> None:
    """Blocks that belong to no depth are refused with what is known, where the file does not say its depth either."""
    path = changed(tmp_path / "c.pth", layer1__1__conv1__weight=torch.zeros(8, 8, 3, 3, 3))
    content = torch.load(path, weights_only=True)
    torch.save(content["state_dict"], path)
    assert "belong to no known network (give a checkpoint of kenshohara" in refusal(path)


def test_arch_that_contradicts_the_tensors_is_a_warning(tmp_path: Path) -> None:
    """The tensors decide; a file that is named by another depth is read with a warning."""
    checkpoint = read_checkpoint(save_checkpoint(tmp_path / "c.pth", arch="resnet-50"))
    assert ["the checkpoint is named resnet-50, its tensors are those of resnet-10"] == [
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


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net", None])
@pytest.mark.parametrize("prefix", ["module.", "module.module.", "_orig_mod.", "model.", "_orig_mod.module."])
def test_usual_wrappings(tmp_path: Path, key: str | None, prefix: str) -> None:
    """Weights under any of the usual keys and prefixes are the same network's."""
    state = OrderedDict((prefix + name, tensor) for name, tensor in random_state(SMALL).items())
    torch.save(state if key is None else {key: state, "arch": "resnet-10", "epoch": 7}, tmp_path / "c.pth")
    found = read_checkpoint(tmp_path / "c.pth")
    assert (SMALL, list(network_of(SMALL).tensors())) == (found.architecture, list(found.state))
    assert np.array_equal(random_state(SMALL)["conv1.weight"], found.state["conv1.weight"])


def test_paths_and_arguments_beside_the_weights(tmp_path: Path) -> None:
    """A pathlib.Path, argparse.Namespace, set and NumPy scalar beside the weights are read past, not run."""
    extras = {"opt": argparse.Namespace(root=tmp_path, tags={1, 2}), "folder": tmp_path, "best": np.float64(0.5)}
    assert SMALL == read_checkpoint(save_checkpoint(tmp_path / "c.pth", **extras)).architecture


def options(folder: Path, **changes: Any) -> Path:
    """An opts.json as the trainer leaves it beside a checkpoint."""
    table = {"model": "resnet", "model_depth": 10, "conv1_t_stride": 2, "no_max_pool": True, **changes}
    (folder / "opts.json").write_text(json.dumps(table))
    return folder / "opts.json"


def test_what_no_tensor_shows_is_read_from_opts_json(small_checkpoint: Path) -> None:
    """Stride and pooling of the stem come from the opts.json beside the checkpoint, and it is said; settings win."""
    beside = options(small_checkpoint.parent)
    assert beside == options_beside(small_checkpoint)
    found = identify(small_checkpoint, options=beside)
    assert replace(SMALL, conv1_t_stride=2, no_max_pool=True) == found.architecture
    assert [f"conv1_t_stride is 2 and no_max_pool true, from {beside}"] == [str(note) for note in found.notes]
    wanted = Wanted(conv1_t_stride=1)
    assert replace(SMALL, no_max_pool=True) == identify(small_checkpoint, wanted, beside).architecture


def test_opts_json_of_another_network_is_not_believed(small_checkpoint: Path) -> None:
    """The options of another training say nothing of this file, and the defaults are said."""
    found = identify(small_checkpoint, options=options(small_checkpoint.parent, model_depth=18))
    assert SMALL == found.architecture
    assert "no opts.json of this network beside the checkpoint" in str(found.notes[0])


@pytest.mark.parametrize(
    "text", ["{", "[" * 100_000, '{"model": "resnet", "model_depth": 10, "no_max_pool": 3}'], ids=range(3)
)
def test_opts_json_that_cannot_be_read_is_refused(small_checkpoint: Path, text: str) -> None:
    """A file that may say the other network is not passed over; with both settings given it is not read."""
    beside = options(small_checkpoint.parent)
    beside.write_text(text)
    with pytest.raises(InputError, match="set conv1_t_stride and no_max_pool under"):
        identify(small_checkpoint, options=beside)
    assert SMALL == identify(small_checkpoint, Wanted(conv1_t_stride=1, no_max_pool=False), beside).architecture


class Large:
    """Asks for ten gigabytes where it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[int]]:
        return bytearray, (10**10,)


def write_pickle(path: Path, pickled: bytes) -> Path:
    """A zip archive as torch.save writes it around any pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("c/data.pkl", pickled)
        archive.writestr("c/version", "3")
    return path


def doubling(depth: int) -> bytes:
    """A pickle of a few hundred bytes whose tuple takes 2**depth steps to hash."""
    twice = b"2\x86"  # DUP and TUPLE2: a tuple of the tuple before, twice
    return b"\x80\x02})" + twice * depth + b"K\x01s."


def test_pickle_that_never_ends_is_refused_in_seconds(tmp_path: Path) -> None:
    """A pickle whose key takes for ever to hash is ended at the time limit, which can be raised."""
    path = write_pickle(tmp_path / "c.pth", doubling(60))
    begun = time.monotonic()
    with pytest.raises(InputError, match="takes more than 2 s") as caught:
        identify(path, limits=ReadLimits(seconds=2))
    assert time.monotonic() - begun < 10
    assert "read_seconds" in str(caught.value.hint)


def test_file_that_asks_for_much_memory_is_refused(tmp_path: Path) -> None:
    """Ten gigabytes by a call, by a pickle of one megabyte, by a storage or by a compressed archive: all refused."""
    torch.save({"state_dict": random_state(SMALL), "x": Large()}, tmp_path / "call.pth")
    assert "bytearray, which is neither a tensor nor plain data" in refusal(tmp_path / "call.pth")
    wide = b"\x80\x02Nr" + (2**31).to_bytes(4, "little") + b"."  # a memo of two thousand million places
    path = write_pickle(tmp_path / "wide.pth", wide)
    with pytest.raises(InputError, match=r"takes more than 1024 MB"):
        identify(path, limits=ReadLimits(memory_mb=1024))
    with zipfile.ZipFile(tmp_path / "zip.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("c/data.pkl", bytes(10**8))
    assert "unpacks to more than itself" in refusal(tmp_path / "zip.pth")


def test_legacy_file_that_claims_a_storage_of_terabytes(tmp_path: Path) -> None:
    """A file of the older format is held against its own size before torch makes room for its storages."""
    torch.save({"state_dict": random_state(SMALL)}, tmp_path / "c.pth", _use_new_zipfile_serialization=False)
    data = (tmp_path / "c.pth").read_bytes()
    count = random_state(SMALL)["conv1.weight"].numel()
    small, large = b"K" + bytes([count]) if count < 256 else b"M" + count.to_bytes(2, "little"), b"J\xff\xff\xff\x7f"
    assert small in data
    (tmp_path / "c.pth").write_bytes(data.replace(small, large))
    assert "is not whole" in refusal(tmp_path / "c.pth")


@pytest.mark.parametrize("device", ["meta", "sparse"])
def test_tensors_without_values(tmp_path: Path, device: str) -> None:
    """Meta and sparse tensors are refused by name, not by an error of torch's own."""
    tensor = torch.zeros(8, device="meta") if device == "meta" else torch.zeros(8).to_sparse()
    assert "bn1.bias has no values of its own in the file" in refusal(changed(tmp_path / "c.pth", bn1__bias=tensor))


def test_foreign_networks_are_described(tmp_path: Path) -> None:
    """A two-dimensional ResNet is refused with what was found, what it is named and what is taken."""
    state = {"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.weight": torch.zeros(5, 64)}
    torch.save({"state_dict": state, "arch": "resnet50"}, tmp_path / "c.pth")
    text = refusal(tmp_path / "c.pth")
    assert "2 tensors such as conv1.weight (64x3x7x7), named resnet50, belong to no known network" in text
    assert "resnext 50 101 152 200" in text


def test_damaged_name_in_the_archive_is_no_error_of_zipfiles_own(small_checkpoint: Path) -> None:
    """A file name inside the archive that is no UTF-8 any more is our error or a warning, as every damage is."""
    data = bytearray(small_checkpoint.read_bytes())
    at = data.index(b"small/data/0")
    data[at + 2] = 0x88
    small_checkpoint.write_bytes(data)
    with contextlib.suppress(InputError):
        assert read_checkpoint(small_checkpoint).warnings
