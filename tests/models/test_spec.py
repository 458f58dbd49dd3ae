"""Tests of `backends.models.model_specs`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from backends.ascend import cann
from backends.ascend.compile_params import CompileParams
from backends.core.codec import decode
from backends.core.settings import CompileSettings, InferSettings, ModelSettings, Settings
from backends.models.model_specs import COMPILE, EXPORT, SIMPLIFY, VERIFY, ExportParams, VerifyParams
from backends.models.network import Wanted
from backends.pipeline import whole_plan
from tests.models.toolkits import make_toolkit

CPU = Settings(model=ModelSettings(checkpoint=Path("/c.pth"), depth=18, no_max_pool=True), infer=InferSettings(batch=4))


def test_every_param_of_export_and_compile_has_a_setting_of_its_name() -> None:
    """They are taken by name: a setting that is renamed alone would leave its param at the default."""
    assert set(Wanted.__struct_fields__) - {"family"} <= set(ModelSettings.__struct_fields__)  # `--model` alone says it
    assert set(CompileParams.__struct_fields__) - {"clip", "input"} <= set(CompileSettings.__struct_fields__)


def test_settings_reach_the_stages() -> None:
    """What the user decides of the model and the batch is in the stages' params, the checkpoint is an input."""
    stage = EXPORT.plan(CPU)
    params = decode(ExportParams, dict(stage.params))
    assert (18, True, 4) == (params.wanted.depth, params.wanted.no_max_pool, params.clip.batch)
    assert {"checkpoint": Path("/c.pth")} == stage.inputs == VERIFY.plan(CPU).inputs
    assert params.wanted == decode(VerifyParams, dict(VERIFY.plan(CPU).params)).wanted


def test_torch_is_needed_by_verify_only() -> None:
    """A server without torch can export, simplify and compile: the checkpoint is read without it."""
    needing = {
        spec.name for spec in (EXPORT, SIMPLIFY, COMPILE, VERIFY) if "torch" in {n.name for n in spec.plan(CPU).needs}
    }
    assert {"verify"} == needing


@pytest.mark.parametrize(
    ("given", "inputs", "needs_torch"),
    [
        ({"checkpoint": Path("/c.pth")}, {"checkpoint": Path("/c.pth")}, True),
        ({"onnx": Path("/m.onnx"), "checkpoint": Path("/c.pth")}, {"onnx": Path("/m.onnx")}, False),
        ({"om": Path("/m.om"), "onnx": Path("/m.onnx")}, {"onnx": Path("/m.onnx")}, False),
        ({"om": Path("/m.om"), "checkpoint": Path("/c.pth")}, {"checkpoint": Path("/c.pth")}, True),
    ],
)
def test_verify_has_a_reference(given: dict[str, Path], inputs: dict[str, Path], needs_torch: bool) -> None:
    """The given .onnx where there is one, else the checkpoint; only the latter needs torch."""
    stage = VERIFY.plan(Settings(model=ModelSettings(**given)))
    assert (inputs, None) == (stage.inputs, stage.skip)
    assert needs_torch == ("torch" in {need.name for need in stage.needs})


def test_a_given_om_alone_cannot_be_verified() -> None:
    """Without a checkpoint and an .onnx verify is skipped and says what is missing."""
    reason = "model.om is given, and neither a checkpoint nor an .onnx to verify it against"
    assert reason == str(VERIFY.plan(Settings(model=ModelSettings(om=Path("/m.om")))).skip)


def test_verify_comes_after_infer_and_keeps_nothing_waiting() -> None:
    """infer does not depend on it, nor does what makes the accuracy: its result decides the verdict alone."""
    stages = whole_plan(Path("/w"), CPU).stages
    after = {stage.name: stage.after for stage in stages}
    assert "infer" in after["verify"]
    assert not [name for name, before in after.items() if "verify" in before]


@pytest.mark.parametrize(("target", "follows"), [("ascend", ("infer",)), ("cpu", ())])
def test_verify_runs_beside_infer_on_chips(target: Literal["ascend", "cpu"], follows: tuple[str, ...]) -> None:
    """The host's cores are idle then; on the CPU the two would take each other's cores."""
    assert follows == VERIFY.plan(Settings(infer=InferSettings(target))).follows


@pytest.mark.parametrize(
    ("infer", "skipped"),
    [(InferSettings(), True), (InferSettings("ascend"), False), (InferSettings("ascend", "cann"), True)],
)
def test_compile_is_skipped_with_a_reason(infer: InferSettings, skipped: bool) -> None:
    """Without an NPU there is nothing to compile for, and a runtime that compiles for itself needs no .om."""
    assert skipped == (COMPILE.plan(Settings(infer=infer)).skip is not None)


def test_om_depends_on_chip_options_and_cann(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chip, options and the installed CANN are part of what decides an .om."""
    monkeypatch.setenv("ASCEND_TOOLKIT_HOME", str(make_toolkit(tmp_path / "toolkit")))
    chosen = CompileSettings("Ascend310P3", "force_fp32", None, "error", ("--keep_dtype=x",))
    stage = COMPILE.plan(Settings(infer=InferSettings("ascend", batch=4), compile=chosen))
    params = decode(CompileParams, dict(stage.params))
    assert ("Ascend310P3", "force_fp32", "error", ("--keep_dtype=x",), 4) == (
        params.soc_version,
        params.precision_mode,
        params.log,
        params.extra,
        params.clip.batch,
    )
    assert {"cann": tmp_path / "toolkit/latest/version.cfg"} == stage.inputs
    monkeypatch.setattr(cann, "find", lambda environment=None: None)
    assert {} == COMPILE.plan(Settings(infer=InferSettings("ascend"), compile=chosen)).inputs


def test_room_is_light_to_import() -> None:
    """Importing every module of the room imports neither torch nor onnx nor numpy."""
    code = (
        "import importlib, pkgutil, sys, backends.models as room\n"
        "for name in [m.name for m in pkgutil.iter_modules(room.__path__)]:\n"
        "    importlib.import_module(f'backends.models.{name}')\n"
        "print(sorted({'torch', 'onnx', 'numpy', 'onnxruntime', 'onnxslim', 'openvino'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]\n" == said.stdout
