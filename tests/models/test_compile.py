"""Tests of `backends.ascend.compile`, with a strict fake of atc."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from backends.ascend.cann import sourced
from backends.ascend.compile import atc_line, common_soc_version, run
from backends.ascend.compile_params import CompileParams
from backends.core.events import StageNote, StageProgress
from backends.core.messages import InputError, NeedError, StageError, Stopped, line
from backends.core.model_io import ClipShape
from backends.core.processes import start_time
from backends.core.settings import InferSettings, ModelSettings, Settings
from backends.core.values import Chip, DeviceTable, ToolFailure
from backends.models import onnx_file
from backends.models.graph import build_graph
from backends.models.model_specs import COMPILE, EXPORT, SIMPLIFY
from backends.worker.job import Job
from tests.models.small import SMALL, random_state
from tests.models.toolkits import make_toolkit

CHIP = "Ascend310P3"


@pytest.fixture
def cann(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toolkit in a folder whose name needs quoting, found by ASCEND_TOOLKIT_HOME."""
    folder = make_toolkit(tmp_path / "it's a $(touch x) toolkit")
    monkeypatch.setenv("ASCEND_TOOLKIT_HOME", str(folder / "latest"))
    monkeypatch.delenv("FAKE_ATC", raising=False)
    return folder


@pytest.fixture
def ready(make_job: Callable[..., Job], tmp_path: Path) -> Callable[..., Job]:
    """Builds compile jobs for a small model of batch 10."""
    (tmp_path / "simplify").mkdir()
    weights = {name: tensor.numpy() for name, tensor in random_state(SMALL).items()}
    (tmp_path / "simplify/m.onnx").write_bytes(onnx_file.to_bytes(build_graph(SMALL, weights)))

    def make(**params: object) -> Job:
        values = CompileParams(**{"soc_version": CHIP, **params})
        return make_job("compile", values, upstream={"simplify": (tmp_path / "simplify", {"onnx": "m.onnx"})})

    return make


def test_compiles_for_the_chip(cann: Path, ready: Callable[..., Job], capfd: pytest.CaptureFixture[str]) -> None:
    """A run with the guide's options ends with model.om, its chip and CANN in the figures, atc's words in the log."""
    job = ready()
    outcome = run(job)
    data = (job.out / outcome.outputs["om"]).read_bytes()
    assert data.startswith(b"IMOD" + CHIP.encode())
    assert (CHIP, "8.0.RC2", len(data)) == tuple(outcome.figures[name] for name in ("soc_version", "cann", "bytes"))
    assert "ATC run success" in capfd.readouterr().out


def test_om_with_the_platform_in_its_name(
    cann: Path, ready: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newer releases put system and processor into the name of what they write; it is found all the same."""
    monkeypatch.setenv("FAKE_ATC", "suffix")
    job = ready()
    assert (job.out / run(job).outputs["om"]).is_file()
    assert ["made.json", "model.om"] == sorted(path.name for path in job.out.iterdir())


def test_all_options_reach_atc(cann: Path, ready: Callable[..., Job]) -> None:
    """Precision, implementation mode, log level and extra options are given as arguments that atc accepts."""
    job = ready(
        precision_mode="allow_fp32_to_fp16", op_select_implmode="high_precision", log="error", extra=("--keep_dtype=x",)
    )
    assert run(job).figures["bytes"]


def test_atc_line_is_the_guides() -> None:
    """The line is the guide's, one argument each, unquoted."""
    expected = [
        "atc",
        "--model=/m.onnx",
        "--framework=5",
        "--output=/o",
        "--input_format=NCHW",
        "--input_shape=input:4,3,16,112,112",
        "--log=info",
        "--soc_version=Ascend310P3",
    ]
    assert expected == atc_line(CompileParams(clip=ClipShape(4)), CHIP, Path("/m.onnx"), Path("/o"))


@pytest.mark.parametrize("option", ["--output=/etc/x", "-x", "rm", "--model", "--a b=1", "; reboot"])
def test_extra_options_are_options(option: str) -> None:
    """What is no option, or one that the stage sets itself, is refused by name."""
    with pytest.raises(InputError, match="cannot be given to atc there"):
        atc_line(CompileParams(extra=(option,)), CHIP, Path("/m.onnx"), Path("/o"))


@pytest.mark.parametrize(
    ("chip", "expected"),
    [
        (None, "the chip to compile for is not known"),
        ("310P3", "compile.soc_version is 310P3"),
        ("Ascend3 1", "is Asc"),
    ],
)
def test_chip_must_be_known(cann: Path, ready: Callable[..., Job], chip: str | None, expected: str) -> None:
    """Without a chip, or with a name that is none, the stage asks for it and how to find it."""
    with pytest.raises(InputError, match=expected) as caught:
        run(ready(soc_version=chip))
    assert "npu-smi info" in str(caught.value.hint)


def test_a_chip_with_a_variant_is_a_chip(cann: Path, ready: Callable[..., Job]) -> None:
    """As npu-smi names it; this toolkit does not know it, which atc says."""
    with pytest.raises(StageError, match="E10001"):
        run(ready(soc_version="Ascend910B4-1"))


def test_failure_has_code_cause_and_fix(cann: Path, ready: Callable[..., Job]) -> None:
    """A failure of atc is its cause and its own words with the code, and the fix as hint; no .om is left."""
    job = ready(soc_version="Ascend999")
    cause = "this CANN does not know the chip that --soc_version names"
    with pytest.raises(StageError, match=re.escape(f"atc failed: {cause}: E10001: Value [Ascend999]")) as caught:
        run(job)
    assert "the Name of 'npu-smi info'" in str(caught.value.hint)
    assert [] == list(job.out.glob("*.om"))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("exit:3", "atc failed with exit status 3"),
        ("exit:137", "atc was killed (signal 9), as happens where memory runs out"),
        ("silent", "atc reported no error, but wrote no .om file"),
        ("say:E99998 unheard of \x1b[31m", "which its code does not explain: E99998 unheard of"),
    ],
)
def test_failures_without_an_entry(
    cann: Path, ready: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, fault: str, expected: str
) -> None:
    """Unknown codes, no code at all, and success without an .om file are failures too; an old .om does not count."""
    monkeypatch.setenv("FAKE_ATC", fault)
    job = ready()
    (job.out / "compiling.om").write_bytes(b"of an attempt that was cut off")
    with pytest.raises(StageError, match=re.escape(expected)):
        run(job)


def test_stop_ends_atc_and_its_helpers(
    cann: Path, ready: Callable[..., Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop ends atc's whole group, its compiler processes too."""
    pids = tmp_path / "pids"
    monkeypatch.setenv("FAKE_ATC", "hang")
    monkeypatch.setenv("FAKE_PIDS", str(pids))
    job = ready()

    def stop() -> None:
        deadline = time.monotonic() + 30
        while not (pids.exists() and pids.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        job.obey({"command": "stop"})

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Stopped):
        run(job)
    thread.join()
    assert [None, None] == [gone(int(pid)) for pid in pids.read_text().split()]


def gone(pid: int) -> int | None:
    """None once the process has ended."""
    deadline = time.monotonic() + 5
    while start_time(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    return start_time(pid)


def chips(*socs: str | None) -> DeviceTable:
    """A reading of chips with these soc_versions, devices 0 and on."""
    return DeviceTable("live", chips=tuple(Chip(n, 0, n, name="x", soc_version=soc) for n, soc in enumerate(socs)))


def test_the_chips_say_what_to_compile_for() -> None:
    """All that the run uses must say the same."""
    assert CHIP == common_soc_version(chips(CHIP, CHIP), None)
    assert CHIP == common_soc_version(chips("Ascend310", CHIP, None), (1,))


@pytest.mark.parametrize(
    ("table", "wanted", "words"),
    [
        (chips(CHIP, None), None, "npu:1 is a x, whose soc_version is not reported"),
        (chips(CHIP, "Ascend310"), None, "of several kinds (Ascend310P3, Ascend310)"),
        (chips(), None, "npu-smi lists no such chip"),
        (chips(CHIP), (3,), "npu-smi lists no such chip"),
        (DeviceTable("live", ToolFailure(None, "x", line("the driver sees no card"))), None, "the driver sees no card"),
    ],
)
def test_where_they_do_not_the_user_is_asked(table: DeviceTable, wanted: tuple[int, ...] | None, words: str) -> None:
    """One line with the reason; the fix is the setting. It is never guessed."""
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        common_soc_version(table, wanted)
    assert "soc_version under [compile]" in str(caught.value.hint)


def test_an_om_for_these_chips_is_taken_again(
    cann: Path, ready: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a soc_version the stage runs every time, and compiles for other chips or where the .om is damaged."""
    reading = [chips(CHIP)]
    monkeypatch.setattr("backends.ascend.compile.ask_chips", lambda workspace, soc: reading[0])
    job = ready(soc_version=None)
    first = run(job)
    written = (job.out / "model.om").stat().st_ino
    assert first == run(job)
    assert written == (job.out / "model.om").stat().st_ino
    (job.out / "model.om").write_bytes(b"IMOD")
    assert first == run(job)
    assert first.figures["bytes"] == (job.out / "model.om").stat().st_size
    reading[0] = chips("Ascend310")
    other = run(job)
    assert "Ascend310" == other.figures["soc_version"]
    assert first.digest != other.digest


def test_without_a_toolkit(ready: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither atc nor a set_env.sh is found, the need is said with its fix."""
    monkeypatch.setattr("backends.ascend.cann.find", lambda: None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NeedError, match="atc not found") as caught:
        run(ready())
    assert "ASCEND_TOOLKIT_HOME" in str(caught.value.hint)


def test_toolkit_without_atc(cann: Path, ready: Callable[..., Job]) -> None:
    """A set_env.sh that does not bring atc is a need, not a failure of atc."""
    (cann / "latest/bin/atc").unlink()
    with pytest.raises(NeedError, match="atc is not found"):
        run(ready())


def test_a_set_env_that_ends_early_is_named(cann: Path, ready: Callable[..., Job]) -> None:
    """What it exported until then is enough, or its status is in the error, not atc's."""
    script = cann / "set_env.sh"
    script.write_text(script.read_text() + "exit 3\n")
    run(ready())
    script.write_text("exit 3\n")
    with pytest.raises(NeedError, match="ended early, with status 3"):
        run(ready(soc_version="Ascend310"))


def test_format_and_shape_of_the_input_are_settings(tmp_path: Path) -> None:
    """NCHW and the model's own input as in the guide; a shape that is none is refused before atc starts."""
    paths = (tmp_path / "m.onnx", tmp_path / "out")
    guide = {"--input_format=NCHW", "--input_shape=input:10,3,16,112,112"}
    assert guide <= set(atc_line(CompileParams(), CHIP, *paths))
    chosen = CompileParams(input_format="NCDHW", input_shape="x:1,3,8,64,64;y:1,2")
    assert {"--input_format=NCDHW", "--input_shape=x:1,3,8,64,64;y:1,2"} <= set(atc_line(chosen, CHIP, *paths))
    for wrong in ("10,3,16,112,112", "input:", "input:1,x", "input:1 --mode=5"):
        with pytest.raises(InputError, match=r"compile\.input_shape"):
            atc_line(CompileParams(input_shape=wrong), CHIP, *paths)


def test_environment_of_this_process_is_not_changed(cann: Path, ready: Callable[..., Job]) -> None:
    """What set_env.sh sets is set for atc alone."""
    before = dict(os.environ)
    run(ready())
    assert before == dict(os.environ)


def test_sourced_as_it_is_where_the_environment_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With atc on PATH and no set_env.sh to be found, atc is run as it is."""
    (tmp_path / "atc").write_text("#!/bin/sh\n")
    (tmp_path / "atc").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ["atc", "--x=1"] == sourced(None, ["atc", "--x=1"])


def test_the_first_errors_of_the_plog_are_quoted(
    cann: Path, ready: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """atc has a folder of its own for it in the attempt; where its output has no code, the plog's cause is taken."""
    atc = cann / "latest/bin/atc"
    row = "[ERROR] GE(7,atc.bin):2025-05-19-15:59:07.739.753 [x.cc:28]7 LoadLib: No module named 'tbe.common'"
    atc.write_text(
        '#!/bin/sh\nmkdir -p "$ASCEND_PROCESS_LOG_PATH/debug/plog"\n'
        f'printf "%s\\n" "[INFO] fine" "{row}" > "$ASCEND_PROCESS_LOG_PATH/debug/plog/plog-7_1.log"\nexit 1\n'
    )
    job = ready()
    with pytest.raises(StageError, match="does not find CANN's own packages"):
        run(job)
    notes = [str(event.text) for event in job.said if isinstance(event, StageNote)]  # type: ignore[attr-defined]
    assert [f"plog: {row}"] == notes


def test_ready_om_is_taken_without_atc(make_job: Callable[..., Job], tmp_path: Path) -> None:
    """A given .om is the stage's output, byte for byte; what is none is refused by name."""
    (tmp_path / "given.om").write_bytes(b"IMOD and more")
    job = make_job("compile", CompileParams(), {"om": tmp_path / "given.om"})
    outcome = run(job)
    assert b"IMOD and more" == (job.out / outcome.outputs["om"]).read_bytes()
    (tmp_path / "given.om").write_bytes(b"ONNX")
    with pytest.raises(InputError, match=r"given\.om: not an \.om model"):
        run(make_job("compile", CompileParams(), {"om": tmp_path / "given.om"}))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            b"\x0batc_cmdline\x12$atc --model=m.onnx --precision_mode=allow_mix_precision --log=info",
            "allow_mix_precision",
        ),
        (b"atc_cmdline atc --precision_mode_v2 mixed_float16 --model=m.onnx", "mixed_float16"),
        (b"atc_cmdline atc --model=m.onnx --framework=5", "force_fp16"),
        (b"an older file", None),
    ],
)
def test_the_precision_mode_is_read_of_a_ready_om(
    make_job: Callable[..., Job], tmp_path: Path, written: bytes, expected: str | None
) -> None:
    """atc leaves its command line in the .om; without an option there it is atc's default, without a line unknown."""
    (tmp_path / "given.om").write_bytes(b"IMOD" + bytes(300) + written + bytes(9000) + b"--precision_mode=force_fp32")
    job = make_job("compile", CompileParams(), {"om": tmp_path / "given.om"})
    assert expected == run(job).figures["precision_mode"]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "force_fp16"),
        ({"precision_mode": "allow_fp32_to_fp16"}, "allow_fp32_to_fp16"),
        ({"extra": ("--precision_mode=must_keep_origin_dtype",)}, "must_keep_origin_dtype"),
    ],
)
def test_the_precision_mode_of_a_compiled_om(
    cann: Path, ready: Callable[..., Job], params: dict[str, object], expected: str
) -> None:
    """It is the one of atc's line, whichever setting gave it."""
    assert expected == run(ready(**params)).figures["precision_mode"]


def test_plan_with_a_ready_om_skips_what_made_it() -> None:
    """Export and simplify are skipped with the reason; compile takes the file and asks no chip."""
    settings = Settings(model=ModelSettings(om=Path("/m.om")), infer=InferSettings(target="ascend"))
    for spec in (EXPORT, SIMPLIFY):
        assert "model.om is given: a ready model for the chips" == str(spec.plan(settings).skip)
    stage = COMPILE.plan(settings)
    assert ({"om": Path("/m.om")}, None, False) == (stage.inputs, stage.skip, stage.fresh)


TUNED = "Tuning process finished"


@pytest.fixture
def tunable(cann: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toolkit, beside a chip of the kind that jobs name."""
    monkeypatch.setattr("backends.ascend.compile.ask_chips", lambda workspace, soc: chips(CHIP))
    return cann


@pytest.mark.parametrize(("mode", "gain"), [("operator", 5.25), ("subgraph", 12.5)])
def test_tuning_gives_the_om_and_keeps_the_untuned_one(
    tunable: Path, ready: Callable[..., Job], capfd: pytest.CaptureFixture[str], mode: str, gain: float
) -> None:
    """aoe gives the .om, atc its untuned one beside it, and the reported gain is a figure; both are taken again."""
    job = ready(tune=mode, soc_version=CHIP)
    outcome = run(job)
    assert {"om": "model.om", "untuned": "untuned.om"} == outcome.outputs
    assert (mode, gain) == (outcome.figures["tune"], outcome.figures["tune_gain_percent"])
    assert all((job.out / name).read_bytes().startswith(b"IMOD") for name in outcome.outputs.values())
    assert 4 == capfd.readouterr().out.count(TUNED)
    assert not (job.out / "tuning/aoe_workspace").exists()
    assert outcome == run(job)
    assert "aoe" not in capfd.readouterr().out.lower()


@pytest.mark.parametrize("mode", ["operator", "subgraph"])
def test_tuning_that_was_stopped_resumes(
    tunable: Path,
    ready: Callable[..., Job],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    """What the repository holds, or what was done before the stop, is not tuned again."""
    monkeypatch.setenv("FAKE_AOE_S", "1.5")
    job = ready(tune=mode)

    def stop() -> None:
        while not any(isinstance(event, StageProgress) and event.unit == "parts" and event.done for event in job.said):
            time.sleep(0.02)
        job.obey({"command": "stop"})

    threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(Stopped):
        run(job)
    before = capfd.readouterr().out.count(TUNED)
    assert 1 <= before < 4
    monkeypatch.setenv("FAKE_AOE_S", "0")
    assert "untuned" in run(ready(tune=mode)).outputs
    assert 4 == before + capfd.readouterr().out.count(TUNED)


def test_tuning_that_cannot_be_resumed_begins_again(
    tunable: Path, ready: Callable[..., Job], capfd: pytest.CaptureFixture[str]
) -> None:
    """What aoe left and does not take is removed once, and a note has its words."""
    job = ready(tune="subgraph")
    (job.out / "tuning/aoe_workspace/damaged").mkdir(parents=True)
    assert "untuned" in run(job).outputs
    notes = [str(event.text) for event in job.said if isinstance(event, StageNote)]
    assert any(note.startswith("the tuning cannot be resumed and begins again: aoe failed") for note in notes)
    assert 4 == capfd.readouterr().out.count(TUNED)


@pytest.mark.parametrize(("table", "found"), [(chips("Ascend310"), "Ascend310"), (chips(), "not known")])
def test_tuning_for_another_chip_than_aoe_runs_on_is_refused(
    cann: Path, ready: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, table: DeviceTable, found: str
) -> None:
    """Before atc's minutes; also where the chip cannot be asked."""
    monkeypatch.setattr("backends.ascend.compile.ask_chips", lambda workspace, soc: table)
    job = ready(tune="operator")
    with pytest.raises(InputError, match=rf"npu:0 is {found}, compile\.soc_version is {CHIP}"):
        run(job)
    assert not list(job.out.glob("*.om"))


def test_failing_to_tune_has_its_code_and_its_fix(
    tunable: Path, ready: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """aoe's words are read as atc's are; a toolkit without aoe is a need."""
    monkeypatch.setenv("FAKE_AOE", "say:E19010: No parser is registered for Op [conv1, optype [ai.onnx::23::Conv]].")
    with pytest.raises(StageError, match=r"aoe failed: .*E19010"):
        run(ready(tune="operator"))
    (tunable / "latest/tools/aoe/bin/aoe").unlink()
    with pytest.raises(NeedError, match="aoe is not found"):
        run(ready(tune="operator"))


def test_tuning_is_part_of_the_key_where_it_is_asked_for() -> None:
    """Without it the plan and its keys are as before."""
    plain = Settings(infer=InferSettings(target="ascend"))
    assert "tune" not in COMPILE.plan(plain).params
    tuned = replace(plain, compile=replace(plain.compile, tune="operator"))
    assert "operator" == COMPILE.plan(tuned).params["tune"]


def test_a_ready_om_for_another_chip_is_a_warning(
    make_job: Callable[..., Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own command line names the chip; where the server has none of that kind both are named, before infer."""
    monkeypatch.setattr("backends.ascend.compile.ask_chips", lambda workspace, soc: chips("Ascend310", "Ascend310"))
    path = tmp_path / "given.om"
    for soc_version, warned in (("Ascend310P3", True), ("Ascend310", False)):
        path.write_bytes(b"IMOD\0atc_cmdline\x12atc --soc_version=" + soc_version.encode() + b" --log=info\0")
        job = make_job("compile", CompileParams(), inputs={"om": path})
        assert soc_version == run(job).figures["soc_version"]
        notes = [str(event.text) for event in job.said if isinstance(event, StageNote)]
        assert warned == (f"{path} was compiled for Ascend310P3, the chips are Ascend310" in notes)
