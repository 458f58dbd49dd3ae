"""What the check stage finds."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backends.ascend import cann, check_server, npu_smi_calls
from backends.checks import check_disk, check_stage
from backends.checks.check_spec import CHECK, CheckParams, StageNeeds, with_needs
from backends.core.codec import decode, encode
from backends.core.messages import NeedError, line
from backends.core.needs import Finding, Need, module
from backends.core.plan import Stage
from backends.core.settings import DatasetSettings, InferSettings, Settings
from backends.core.stage_request import Request
from backends.core.values import Chip, DeviceTable
from backends.data.annotation import Annotation, Video, annotation_json
from backends.worker.job import Job


def _job(tmp_path: Path, settings: Settings, *needs: StageNeeds, events: list[Any] | None = None) -> Job:
    params = encode(CheckParams(settings, needs))
    request = Request("check", "", 1, tmp_path, tmp_path / "out", tmp_path, params)
    return Job(request, (events if events is not None else []).append)


def _named(findings: tuple[Finding, ...], name: str) -> Finding:
    return next(finding for finding in findings if finding.name == name)


def test_the_table_is_written_and_counted(tmp_path: Path) -> None:
    """findings.json has every row; the digest never changes, so that nothing becomes stale by looking."""
    job = _job(tmp_path, Settings(), StageNeeds("infer", (module("json"),)))
    outcome = check_stage.run(job)
    rows = [decode(Finding, row) for row in json.loads((job.out / "findings.json").read_text())]
    names = {"Python", "json", "CPU", "memory", "open files", "file system", "disk"}
    assert names == {row.name for row in rows} - {"login session"}  # that one where there is a logind
    assert len(rows) == sum(outcome.figures[name] for name in ("met", "warnings", "missing")) + sum(
        row.state == "unknown" for row in rows
    )
    assert check_stage.run(job).digest == outcome.digest != ""


@pytest.mark.parametrize(("limits", "fix"), [((40, 4096), "ulimit -n "), ((40, 40), "raise the hard limit")])
def test_the_fix_for_few_open_files_differs_from_what_is_there(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], fix: str
) -> None:
    """Where the hard limit is as low, ulimit cannot help."""
    monkeypatch.setattr(check_stage.resource, "getrlimit", lambda _: limits)
    found = _named(check_stage.diagnose(Settings(), Path.cwd(), ()), "open files")
    assert fix in str(found.hint)


def test_all_that_is_missing_is_named_in_one_line(tmp_path: Path) -> None:
    """The plan cannot go on: each by name, each fix."""
    needs = StageNeeds("infer", (module("no_such_a", "pkg-a"), Need("no_such_b", line("install it"))))
    with pytest.raises(NeedError, match="missing: no_such_a, no_such_b") as caught:
        check_stage.run(_job(tmp_path, Settings(), needs))
    assert "pip install pkg-a; install it" == str(caught.value.hint)
    assert "\n" not in str(caught.value)


def test_what_conversion_alone_needs_does_not_block(tmp_path: Path) -> None:
    """Its model may be there already; the row and a note say what is missing and who needs it."""
    events: list[Any] = []
    needs = (StageNeeds("export", (module("no_such"),)), StageNeeds("verify", (module("no_such"),)))
    outcome = check_stage.run(_job(tmp_path, Settings(), *needs, events=events))
    assert 1 == outcome.figures["missing"]
    assert "not installed; needed by export, verify" in str(events[0].text)
    with pytest.raises(NeedError):
        check_stage.run(_job(tmp_path, Settings(), *needs, StageNeeds("infer", (module("no_such"),))))


def test_versions_are_told_without_importing() -> None:
    """By the package's metadata; the process stays light."""
    code = (
        "import sys; from pathlib import Path; from backends.core.settings import Settings;"
        "from backends.core.needs import module; from backends.core.plan import Stage;"
        "from backends.checks.check_stage import diagnose;"
        "stages = (Stage('infer', '', 1, needs=(module('numpy'), module('torch'))),);"
        "rows = diagnose(Settings(), Path('.'), stages);"
        "print([str(r.found) for r in rows if r.name == 'numpy'][0]);"
        "sys.exit(bool({'numpy', 'torch'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 0 == ran.returncode, ran.stderr
    assert ran.stdout.strip().split(".")[0].isdigit()


def test_the_plan_hands_its_needs_to_the_check(tmp_path: Path) -> None:
    """Those of stages that apply; a skipped stage asks for nothing."""
    used = Stage("infer", "", 1, needs=(module("numpy"),))
    skipped = Stage("compile", "", 1, needs=(module("acl"),), skip=line("no NPU"))
    told = with_needs((CHECK.plan(Settings()), used, skipped))
    params = decode(CheckParams, json.loads(json.dumps(told[0].params)))
    assert (StageNeeds("infer", (module("numpy"),)),) == params.stages
    assert Settings() == params.settings
    assert told[0].fresh
    assert (used, skipped) == told[1:]


def test_disk_is_estimated_from_the_annotation(tmp_path: Path, shared: Path) -> None:
    """HMDB51's split 1: 8,492 clips of 0.6 MB packed, 1,530 files of 24 MB in the guide's layout."""
    annotation = shared / "data" / "reference" / "hmdb51_1.json"
    dataset = DatasetSettings(frames=tmp_path, annotation=annotation)
    packed = check_disk.estimate(Settings(dataset=dataset))
    guide = check_disk.estimate(Settings(dataset=dataset, infer=InferSettings(layout="guide")))
    assert packed == check_disk.RESERVE_BYTES + 8492 * 602_112
    assert guide is not None
    assert guide - packed == 1530 * 24_084_480


def test_disk_is_estimated_from_the_files_where_there_is_no_annotation(tmp_path: Path) -> None:
    """Videos in class folders and beside them are counted; without any, nothing is guessed."""
    (tmp_path / "wave").mkdir()
    for name in ("a.avi", "wave/b.mp4", "wave/notes.txt"):
        (tmp_path / name).touch()
    found = check_disk.estimate(Settings(dataset=DatasetSettings(videos=tmp_path)))
    per_video = 6 * check_disk.CLIP_BYTES + check_disk.FRAMES_A_VIDEO * check_disk.JPEG_BYTES
    assert check_disk.RESERVE_BYTES + 2 * per_video == found
    assert check_disk.estimate(Settings(dataset=DatasetSettings(videos=tmp_path / "none"))) is None
    assert check_disk.estimate(Settings()) is None


def test_a_large_annotation_is_counted(tmp_path: Path) -> None:
    """10,000 videos of which half belong to the subset: their number is right, in some 400 bytes a video."""
    videos = [Video(f"video_{n:06d}", "wave", ("validation", "training")[n % 2], 1, 65) for n in range(10_000)]
    path = tmp_path / "a.json"
    path.write_bytes(annotation_json(Annotation(("wave",), videos)))
    settings = Settings(dataset=DatasetSettings(frames=tmp_path, annotation=path))
    del videos
    tracemalloc.start()
    found = check_disk.estimate(settings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert check_disk.RESERVE_BYTES + 5_000 * 4 * check_disk.CLIP_BYTES == found
    assert peak < 5e6, peak
    path.write_text("{")
    assert None is check_disk.estimate(settings)


def test_archives_take_room_while_they_are_unpacked(tmp_path: Path) -> None:
    """A folder of videos and archives: the archives' own size, since videos hardly pack."""
    (tmp_path / "a.avi").touch()
    (tmp_path / "b.RAR").write_bytes(bytes(1000))
    (tmp_path / "c.tar.gz").write_bytes(bytes(100))
    found = check_disk.estimate(Settings(dataset=DatasetSettings(videos=tmp_path)))
    (tmp_path / "b.RAR").unlink()
    (tmp_path / "c.tar.gz").unlink()
    assert (check_disk.estimate(Settings(dataset=DatasetSettings(videos=tmp_path))) or 0) + 1100 == found


def test_too_little_room_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The estimate may be wrong, so it does not block; a workspace that is not made yet is measured above it."""
    monkeypatch.setattr(check_disk, "estimate", lambda _: 1 << 60)
    finding = check_disk.disk_finding(Settings(), tmp_path / "not" / "yet")
    assert "warning" == finding.state
    assert "needed" in str(finding.found)


def test_a_network_file_system_is_told(tmp_path: Path) -> None:
    """The longest mount counts, the later of two on one point; blanks in mount points are escaped."""
    mounts = tmp_path / "mountinfo"
    place = str(tmp_path).replace(" ", "\\040")
    mounts.write_text(
        f"1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:9 / {place} rw - tmpfs none rw\n"
        f"3 1 0:9 / {place} rw shared:1 - nfs4 host:/x rw\n4 1 0:3 / {place}x rw - xfs none rw\nbroken\n"
    )
    finding = check_disk.file_system_finding(tmp_path, mounts)
    assert "warning" == finding.state
    assert "local disk" in str(finding.hint)
    assert "unknown" == check_disk.file_system_finding(tmp_path, tmp_path / "none").state


@pytest.fixture
def ascend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Settings of an Ascend target on a machine that has nothing of it."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    for name in ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(npu_smi_calls, "PLACES", ())
    monkeypatch.setattr(cann, "ROOTS", (str(tmp_path / "Ascend"),))
    return Settings(infer=InferSettings(target="ascend", devices=(0,)))


def test_an_ascend_run_without_ascend_names_all_that_it_lacks(ascend: Settings, tmp_path: Path) -> None:
    """Driver, CANN, acl; atc is compile's to ask for."""
    with pytest.raises(NeedError, match="missing: npu-smi, CANN, acl"):
        check_stage.run(_job(tmp_path, ascend))


def test_a_cann_that_was_not_sourced_is_found_with_its_script(ascend: Settings, tmp_path: Path) -> None:
    """Its version as the installation wrote it; without its script the environment has to be there already."""
    home = tmp_path / "Ascend" / "ascend-toolkit" / "latest"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "atc").touch()
    (home / "version.cfg").write_text("# version\nruntime_running_version=[x]\nVersion=8.0.RC2\n")
    script = home.parent / "set_env.sh"
    script.touch()
    rows = tuple(check_server.ascend_findings(ascend))
    assert ("met", f"8.0.RC2 in {home}; its set_env.sh is sourced where needed") == (
        _named(rows, "CANN").state,
        str(_named(rows, "CANN").found),
    )
    assert "met" == _named(rows, "atc").state
    script.unlink()
    assert "warning" == _named(tuple(check_server.ascend_findings(ascend)), "CANN").state


@pytest.mark.parametrize(
    ("module", "state", "words"),
    [
        ("def get_soc_name(): return 'Ascend310P3'", "met", "chip Ascend310P3"),
        ("", "met", "chip ?"),
        ("raise ImportError('libascend_hal.so: cannot open shared object file')", "missing", "libascend_hal.so"),
        ("raise ImportError('/x/acl.so: undefined symbol: aclprofSetConfig')", "missing", "undefined symbol"),
        ("import os; os.kill(os.getpid(), 11)", "missing", ""),
    ],
)
def test_acl_is_imported_for_real(
    ascend: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, state: str, words: str
) -> None:
    """Behind set_env.sh, which prints and ends early; whether it imports is known by importing it."""
    home = tmp_path / "Ascend" / "nnrt"
    (home / "python").mkdir(parents=True)
    (home / "python" / "acl.py").write_text(module)
    script = f"echo welcome; set -e; false; export PYTHONPATH={home}/python; exit 3"
    (home / "set_env.sh").write_text(script)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    row = _named(tuple(check_server.ascend_findings(ascend)), "acl")
    assert (state, True) == (row.state, words in str(row.found))
    assert (state == "missing") == bool(row.hint.template)


def test_without_acl_an_ais_bench_that_answers_takes_its_place(
    ascend: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the runtime is auto, that is a warning; where acl was asked for, it is missing."""
    ready = [Finding("ais_bench", "met"), Finding("aclruntime", "met")]
    monkeypatch.setattr(check_server, "spare_findings", lambda settings: iter(ready))
    auto = InferSettings(target="ascend", devices=(0,))
    assert "warning" == _named(tuple(check_server.ascend_findings(Settings(infer=auto))), "acl").state
    asked = InferSettings(target="ascend", devices=(0,), runtime="acl")
    assert "missing" == _named(tuple(check_server.ascend_findings(Settings(infer=asked))), "acl").state


def test_two_installations_in_the_environment_are_reported(
    ascend: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check names the one that a run sources, and warns of the other."""
    for name, variable in (("A", "ASCEND_TOOLKIT_HOME"), ("B", "ASCEND_HOME_PATH")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "set_env.sh").touch()
        (tmp_path / name / "version.cfg").write_text(f"version=8.{name == 'B':d}.0\n")
        monkeypatch.setenv(variable, str(tmp_path / name))
    rows = tuple(check_server.ascend_findings(ascend))
    assert f"8.0.0 in {tmp_path / 'A'}" in str(_named(rows, "CANN").found)
    assert str(tmp_path / "B") in str(_named(rows, "CANN, another").found)
    assert str(tmp_path / "A" / "set_env.sh") in cann.sourced(cann.find(), ["atc"])


def test_chips_and_driver_are_told(ascend: Settings, fake_smi: Callable[[str], Path]) -> None:
    """What npu-smi names; an ill chip is a warning, a wanted device that is not there is missing."""
    fake_smi("show('310P3_duo_driver_24.1')")
    rows = check_stage.diagnose(ascend, Path("/"))
    assert "24.1.rc2" == str(_named(rows, "driver").found)
    assert ("warning", "NPU 4: Alarm") == (_named(rows, "chips").state, str(_named(rows, "chips").found))
    absent = Settings(infer=InferSettings(target="ascend", devices=(0, 7)))
    rows = check_stage.diagnose(absent, Path("/"))
    assert ("missing", "no device 7") == (_named(rows, "chips").state, str(_named(rows, "chips").found))


def test_chips_whose_ids_are_not_told_are_to_be_named(ascend: Settings, fake_smi: Callable[[str], Path]) -> None:
    """As a 950's in a container; once they are named, nothing is in the way."""
    fake_smi("show('950DT_driver_25.6') if given == ['info'] else print('not supported')")
    unnamed = Settings(infer=InferSettings(target="ascend"))
    finding = _named(check_stage.diagnose(unnamed, Path("/")), "chips")
    assert ("warning", True) == (finding.state, "[infer] devices" in str(finding.hint))
    rows = check_stage.diagnose(ascend, Path("/"))
    assert ("met", "met") == (_named(rows, "chips").state, _named(rows, "chip memory").state)


def test_the_drivers_failure_is_the_finding(ascend: Settings, fake_smi: Callable[[str], Path]) -> None:
    """With the fix of its code."""
    fake_smi("print('dcmi module initialize failed. ret is -8005')")
    finding = _named(check_stage.diagnose(ascend, Path("/")), "npu-smi")
    assert "missing" == finding.state
    assert "HwHiAiUser" in str(finding.hint)


def test_each_runtime_asks_for_its_own(ascend: Settings) -> None:
    """The tool and its library are missing where they are used, and only told elsewhere; cann has its own package."""

    def missing(runtime: str) -> set[str]:
        settings = Settings(infer=InferSettings(target="ascend", runtime=runtime))
        rows = check_server.ascend_findings(settings)
        assert {"ais_bench", "aclruntime"} <= {row.name for row in rows}
        return {row.name for row in rows if row.state == "missing"} & {"acl", "ais_bench", "onnxruntime"}

    assert ({"acl"}, {"ais_bench"}) == (missing("auto"), missing("ais_bench"))
    settings = Settings(infer=InferSettings(target="ascend", runtime="cann"))
    assert "onnxruntime" in {row.name for row in check_server.ascend_findings(settings)}


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        ("Firmware Version : 7.5.0.1.129\\n Compatibility : OK", "met", "7.5.0.1.129"),
        (
            "Firmware Version : 1.8.0.2\\n Compatibility : NOT OK",
            "warning",
            "1.8.0.2; npu-smi reports for this driver: NOT OK",
        ),
        ("Firmware Version : NA\\n Compatibility : NA", "unknown", "version not reported"),
        ("This device does not support querying board.", "unknown", "version not reported"),
    ],
)
def test_firmware_is_told_and_whether_it_fits(
    ascend: Settings, fake_smi: Callable[[str], Path], answer: str, state: str, words: str
) -> None:
    """By the board of the first NPU; a driver that was upgraded alone is a warning with its fix."""
    fake_smi(f"if given == ['info']: show('310P3_driver_22.0')\nelse: assert given[2] == 'board'; print('{answer}')")
    rows = check_server.ascend_findings(ascend)
    found = next(row for row in rows if row.name == "firmware")
    assert (state, words, state == "warning") == (found.state, str(found.found), bool(found.hint.template))


def test_free_chip_memory_is_told(ascend: Settings, fake_smi: Callable[[str], Path]) -> None:
    """The least of the chips that are wanted; a full one is a warning, one that is not told of is unknown."""
    fake_smi("show('310P3_duo_driver_24.1')")
    finding = _named(check_stage.diagnose(ascend, Path("/")), "chip memory")
    assert ("met", True) == (finding.state, "MB free on the fullest of 1" in str(finding.found))
    fullest = DeviceTable("live", chips=(Chip(0, device_id=0, memory_used_mb=20_800, memory_total_mb=21_534),))
    assert "warning" == check_server._memory(fullest, (0,)).state
    assert "unknown" == check_server._memory(DeviceTable("live", chips=(Chip(0, device_id=0),)), None).state


def test_files_for_ais_bench_take_room(tmp_path: Path, shared: Path) -> None:
    """Packed batches become files of 24 MB while they are inferred."""
    dataset = DatasetSettings(frames=tmp_path, annotation=shared / "data" / "reference" / "hmdb51_1.json")
    plain = check_disk.estimate(Settings(dataset=dataset))
    tool = check_disk.estimate(Settings(dataset=dataset, infer=InferSettings(target="ascend", runtime="ais_bench")))
    assert plain is not None
    assert plain + 850 * 24_084_480 == tool


@pytest.mark.parametrize("used", [False, True])
def test_a_small_disk_names_clean_only_where_something_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: bool
) -> None:
    """Old runs and artifacts can go only in a workspace that has run."""
    if used:
        (tmp_path / ".r3d").mkdir()
    monkeypatch.setattr(check_disk, "estimate", lambda _: 1 << 62)
    found = check_disk.disk_finding(Settings(), tmp_path)
    assert ("warning", used) == (found.state, "r3d-tui clean" in str(found.hint))
