"""Model files from outside: where they may read their weights from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backends.core.messages import InputError
from backends.core.model_io import ClipShape
from backends.models import onnx_file
from backends.models.graph import build_graph
from backends.models.onnx_file import check_ready, refuse_data_elsewhere
from tests.models.small import SMALL, random_state


def model(folder: Path, location: str, where: str = "initializer") -> Path:
    """An ONNX file whose only weights lie at `location`: of the graph, in a node, in a graph within a node."""
    from onnx import TensorProto, helper

    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="offset", value="0")
    tensor.external_data.add(key="location", value=location)
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])
    nodes, weights = [helper.make_node("Identity", ["w"], ["y"])], [tensor]
    if where != "initializer":
        nodes, weights = [helper.make_node("Constant", [], ["y"], value=tensor)], []
    if where == "within":
        inner = helper.make_graph(nodes, "inner", [], [out])
        nodes = [helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)]
    made = helper.make_model(helper.make_graph(nodes, "g", [], [out], weights))
    (folder / "m.onnx").write_bytes(made.SerializeToString())
    return folder / "m.onnx"


@pytest.mark.parametrize("where", ["initializer", "constant", "within"])
@pytest.mark.parametrize(
    "location", ["../secret", "/etc/passwd", "a/../../secret", "..\\secret", "", "link", "folder/link"]
)
def test_data_elsewhere_is_refused_in_one_line(tmp_path: Path, location: str, where: str) -> None:
    """Paths that lead out, also by a link, wherever in the model they stand."""
    folder = tmp_path / "models"
    (folder / "folder").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(bytes(16))
    (folder / "link").symlink_to("../secret")
    (folder / "folder" / "link").symlink_to(tmp_path)
    with pytest.raises(
        InputError, match=r"m\.onnx: its weights are to be read from .*, which is not beside it"
    ) as caught:
        refuse_data_elsewhere(model(folder, location, where))
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A pipe would be waited for without end; hostile names are shown harmlessly."""
    os.mkfifo(tmp_path / "pipe")
    for location in ("pipe", "none", "\x1b]52;c;AAAA\x07"):
        with pytest.raises(InputError, match="which is not a file") as caught:
            refuse_data_elsewhere(model(tmp_path, location))
        assert str(caught.value).isprintable()


def _refusal(path: Path) -> InputError | None:
    try:
        refuse_data_elsewhere(path)
    except InputError as error:
        return error
    return None


def test_data_beside_the_model_is_taken(tmp_path: Path) -> None:
    """Also where the model itself was reached by a link to its folder; what is no model is the runtime's to refuse."""
    (tmp_path / "real" / "data").mkdir(parents=True)
    (tmp_path / "real" / "data" / "w.bin").write_bytes(bytes(16))
    model(tmp_path / "real", "data/w.bin")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "m.onnx").write_bytes(b"no model")
    for name in ("link/m.onnx", "m.onnx", "none.onnx"):
        assert _refusal(tmp_path / name) is None, name


def test_ready_model_of_another_shape_is_refused(tmp_path: Path) -> None:
    """What a given .onnx takes and what the settings ask for stand in one line; a free batch fits; others are named."""
    path = tmp_path / "ready.onnx"
    model = build_graph(SMALL, {name: tensor.numpy() for name, tensor in random_state(SMALL).items()}, ClipShape(4))
    path.write_bytes(onnx_file.to_bytes(model))
    check_ready(path, ClipShape(4))
    with pytest.raises(InputError, match=r"from input 4x3x16x112x112; output 4x5, not from input 10x3x8x64x64"):
        check_ready(path, ClipShape(10, 8, 64))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    path.write_bytes(onnx_file.to_bytes(model))
    check_ready(path, ClipShape(10))
    path.write_bytes(b"no model")
    with pytest.raises(InputError, match=r"not an ONNX model|the model is from"):
        check_ready(path, ClipShape())
