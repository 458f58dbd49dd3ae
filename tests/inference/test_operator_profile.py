"""One loop under msprof, on a server that is not there: its tables as three releases lay them out."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.ascend import msprof
from backends.ascend.msprof import Operator, operators
from backends.core.messages import InputError, NeedError, StageError
from backends.core.model_io import ClipShape
from backends.core.processes import leftovers
from backends.device.model_runtime import DeviceSpec
from backends.inference.operator_profile import profile
from backends.inference.runtime_registry import choose
from tests.fakes.server.build import Server, make_server
from tests.inference import ais_rig
from tests.inference.chips import make_om

CHIP = DeviceSpec("npu:1", 1, name="310P3")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Two chips, and CANN with its profiler."""
    made = make_server(tmp_path / "server", 2)
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    return made


def measured(folder: Path, om: Path, runtime: str = "acl", loop: int = 3) -> tuple[Operator, ...]:
    chosen = choose("cpu" if runtime == "onnxruntime" else "ascend", runtime)
    found = profile(chosen, om, CHIP, folder, ClipShape(), loop=loop)
    assert [] == list(leftovers(folder))
    return found


@pytest.mark.parametrize("release", ["5.1", "6.0", "8.0"])
def test_the_operators_of_a_loop(
    server: Server, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, release: str
) -> None:
    """Whatever the release, the dearest operator comes first, and the loop kept to pyACL's rules."""
    monkeypatch.setenv("FAKE_MSPROF", release)
    found = measured(tmp_path, make_om(tmp_path / "a model.om", model))
    assert Operator("Conv3D_0", "Conv3D", 4, 1600.0) == found[0]
    assert 15 == len(found)
    (report,) = server.reports()
    assert ([], []) == (report["wrong"], report["left"])


def test_the_tool_is_profiled_where_it_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    """Where a run goes by ais_bench, its pure inference is what msprof starts."""
    monkeypatch.setenv("PYTHONPATH", str(ais_rig.FAKES))
    assert measured(tmp_path, ais_rig.make_om(tmp_path / "m.om", batch=10), "ais_bench")


def test_what_fails_under_msprof_is_reported(server: Server, tmp_path: Path, model: Path) -> None:
    """msprof ends with 0 all the same: the cause is in the program's own words."""
    with pytest.raises(StageError, match=r"msprof: .*Ascend910B4"):
        measured(tmp_path, make_om(tmp_path / "m.om", model, "Ascend910B4"))


def test_without_msprof_it_is_one_line(server: Server, tmp_path: Path, model: Path) -> None:
    """As on a server with nnrt alone."""
    (server.folder / "cann/latest" / msprof.PLACES[1]).unlink()
    with pytest.raises(NeedError, match="msprof not found"):
        measured(tmp_path, make_om(tmp_path / "m.om", model))


def test_a_cpu_has_no_msprof(tmp_path: Path, model: Path) -> None:
    """Nothing that the profiler sees would run."""
    with pytest.raises(InputError, match="onnxruntime does not run an"):
        measured(tmp_path, model, "onnxruntime")


def test_types_stand_in_where_operators_are_not_listed(tmp_path: Path) -> None:
    """The statistic of types is read where there is no summary; what is no number is passed over."""
    (tmp_path / "op_statistic_0_1.csv").write_text(
        "Model Name,OP Type,Core Type,Count,Total Time,Min Time(us)\n"
        "m,Conv3D,AI_CORE,4,1600.5,1\nm,Add,AI_CORE,N/A,7,1\n"
    )
    assert (Operator("Conv3D", "Conv3D", 4, 1600.5),) == operators(tmp_path)


def test_foreign_names_are_harmless(tmp_path: Path) -> None:
    """Control characters go, an empty or broken table gives nothing."""
    (tmp_path / "op_summary_a.csv").write_bytes(b"Op Name,OP Type,Task Duration(us)\n\x1b[31mA\0,B,2\nC,D,nan\n\xff\n")
    (tmp_path / "op_summary_b.csv").write_text("")
    assert (Operator("A", "B", 1, 2.0),) == operators(tmp_path)
