"""The command line as scripts use it: documents, exit codes, one-line errors."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from backends.api import build_demo, stage_names
from backends.core.client import Client, Snapshot
from backends.core.events import ServerWork
from backends.core.messages import InputError
from backends.core.run_state import DeviceRun, Run
from r3d_tui.commands.options import globals_first
from r3d_tui.commands.show import choose_devices

ROOT = Path(__file__).resolve().parents[3]


def r3d(*arguments: str, cwd: Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `r3d-tui` as a script would."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    command = [sys.executable, "-m", "r3d_tui.cli", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, input=text, check=False)


def test_no_workspace_is_one_line_with_the_mend(tmp_path: Path) -> None:
    """Without an r3d.toml every command says so, with exit code 2 and no traceback."""
    for command in (("status",), ("run", "--headless"), ("stop",), ("runs",), ("logs",), ("attach", "--headless")):
        done = r3d(*command, cwd=tmp_path)
        assert 2 == done.returncode
        assert f"error: {tmp_path}: no r3d.toml here (make a workspace: r3d-tui init DIR, or try r3d-tui demo)\n" == (
            done.stderr
        )
        assert "" == done.stdout


@pytest.mark.parametrize("command", [("status",), ("doctor",), ()])
def test_a_folder_that_is_gone_is_one_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Somebody removed it under the shell."""
    place = tmp_path / "gone"
    place.mkdir()
    line = f'cd "{place}" && rmdir "{place}" && exec "{sys.executable}" -m r3d_tui.cli {" ".join(command)}'
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, check=False)
    assert (2, "") == (done.returncode, done.stdout)
    assert "error: the folder that you are in is gone (change to another one)" == done.stderr.splitlines()[-1]


def test_the_console_needs_a_terminal(tmp_path: Path) -> None:
    """In a pipe the console refuses and names the plain faces."""
    done = r3d(cwd=tmp_path)
    assert (2, "") == (done.returncode, done.stdout)
    assert "the console needs a terminal" in done.stderr


def test_unknown_options_and_stages_are_usage_errors(tmp_path: Path) -> None:
    """Exit code 2."""
    assert 2 == r3d("run", "--nonsense", cwd=tmp_path).returncode
    told = r3d("--language", "fr", "runs", cwd=tmp_path)
    assert (2, "error: --language fr: unknown (one of en, zh)\n") == (told.returncode, told.stderr)
    assert 2 == r3d("nonsense", cwd=tmp_path).returncode
    assert 2 == r3d("step", "preprocess", cwd=tmp_path).returncode


def test_init_writes_what_it_is_given_and_refuses_what_is_not_there(tmp_path: Path) -> None:
    """A workspace is made once; missing files and a second init are one line each."""
    (tmp_path / "videos").mkdir()
    shutil.copy(ROOT / "assets" / "demo" / "demo_resnet10.pth", tmp_path / "x.pth")
    given = ("init", "w", "--videos", "videos", "--checkpoint", "x.pth", "--devices", "0,1")
    assert 2 == r3d("init", "w", "--videos", "nowhere", "--checkpoint", "x.pth", cwd=tmp_path).returncode
    assert 0 == r3d(*given, cwd=tmp_path).returncode
    assert "devices = [0, 1]" in (tmp_path / "w" / "r3d.toml").read_text()
    again = r3d(*given, cwd=tmp_path)
    assert (2, True) == (again.returncode, "there already" in again.stderr)
    given = ("--videos", "videos", "--checkpoint", "x.pth")
    assert "--devices one: not numbers" in r3d("init", "v", *given, "--devices", "one", cwd=tmp_path).stderr.replace(
        "'", ""
    )
    for options, words in (
        ((), "no videos and no frames are given (give --videos or --frames)"),
        (given[:2], "no checkpoint is given (give --checkpoint)"),
        ((*given, "--devices=-1"), "-1 is not a whole number from 0 to 1023"),
    ):
        refused = r3d("init", "v", *options, cwd=tmp_path)
        assert (2, True) == (refused.returncode, words in refused.stderr)
        assert not (tmp_path / "v").exists()
    assert "/proc/x: " in (told := r3d("init", "/proc/x", *given, cwd=tmp_path).stderr)
    assert "name a folder that can be written" in told
    assert 2 == r3d("init", "v", "--target", "gpu", cwd=tmp_path).returncode


def test_status_of_a_new_workspace_is_a_document_of_nothing(tmp_path: Path) -> None:
    """Every figure that nobody measured is null."""
    (tmp_path / "r3d.toml").write_text("")
    done = r3d("status", "--json", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert (0, "new", None, [], []) == (
        done.returncode,
        document["state"],
        document["run"],
        document["stages"],
        document["devices"],
    )
    assert {
        "top1",
        "top5",
        "videos",
        "videos_set_aside",
        "videos_skipped",
        "clips",
        "clips_per_s",
        "clips_per_s_beside",
        "verified",
    } == set(document["result"])
    assert {None} == set(document["result"].values())
    assert {"runs": []} == json.loads(r3d("runs", "--json", cwd=tmp_path).stdout)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_status_says_what_is_wrong_with_the_settings(tmp_path: Path, options: tuple[str, ...]) -> None:
    """On standard error, so that the document stays a document; the status itself can be told, and the code is 0."""
    (tmp_path / "r3d.toml").write_text("[dataset]\nvideo = 'x'\n")
    done = r3d("status", *options, cwd=tmp_path)
    assert 0 == done.returncode
    assert "dataset.video is unknown" in done.stderr
    assert "dataset.video is unknown" not in done.stdout


def test_a_run_that_cannot_begin_says_why_before_anything_is_made(tmp_path: Path) -> None:
    """Settings that name nothing are refused; no run is left behind."""
    (tmp_path / "r3d.toml").write_text("[dataset]\nvideos = 'gone'\n[model]\ncheckpoint = 'x.pth'\n")
    done = r3d("run", "--headless", cwd=tmp_path)
    assert 2 == done.returncode
    assert "r3d.toml: videos: " in done.stderr
    assert not (tmp_path / ".r3d").exists()


def test_hostile_names_in_settings_reach_no_terminal(tmp_path: Path) -> None:
    """Escapes in a path are shown without their control bytes."""
    (tmp_path / "r3d.toml").write_text('[dataset]\nvideos = "\\u001b]52;c;AAAA\\u0007gone"\n[model]\ncheckpoint="x"\n')
    done = r3d("run", "--headless", cwd=tmp_path)
    assert 2 == done.returncode
    assert "\x1b" not in done.stderr
    assert "\x07" not in done.stderr


@pytest.mark.parametrize("source", ["-", "file"])
def test_devices_reads_a_saved_table(tmp_path: Path, source: str) -> None:
    """The guide's own example gives two chips, field by field, and exit code 0."""
    table = """\
+-------------------+-----------------+------------------------------------------------------+
| NPU     Name      | Health          | Power(W)     Temp(C)           Hugepages-Usage(page) |
| Chip    Device    | Bus-Id          | AICore(%)    Memory-Usage(MB)                        |
+===================+=================+======================================================+
| 0       310P3     | OK              | 15.8         42                0    / 0              |
| 0       0         | 0000:82:00.0    | 0            1074 / 21534                            |
+===================+=================+======================================================+
| 1       310P3     | OK              | 15.4         43                0    / 0              |
| 0       1         | 0000:89:00.0    | 0            1070 / 21534                            |
+===================+=================+======================================================+
"""
    (tmp_path / "saved").write_text(table)
    done = r3d("devices", "--json", "--from", "-" if source == "-" else "saved", cwd=tmp_path, text=table)
    document = json.loads(done.stdout)
    assert 0 == done.returncode
    assert document["error"] is None
    first, second = document["chips"]
    assert {
        "npu_id": 0,
        "chip_id": 0,
        "device_id": 0,
        "phy_id": None,
        "name": "310P3",
        "soc_version": "Ascend310P3",
        "health": "OK",
        "bus_id": "0000:82:00.0",
        "power_w": 15.8,
        "temp_c": 42,
        "aicore_percent": 0,
        "memory_used_mb": 1074,
        "memory_total_mb": 21534,
        "ddr_used_mb": 1074,
        "ddr_total_mb": 21534,
        "hbm_used_mb": None,
        "hbm_total_mb": None,
    } == first
    assert (1, 1, "0000:89:00.0", 15.4) == (
        second["npu_id"],
        second["device_id"],
        second["bus_id"],
        second["power_w"],
    )


def test_a_saved_log_is_explained_without_a_workspace(tmp_path: Path) -> None:
    """Figures or a failure; a file that says nothing is one clear line."""
    (tmp_path / "msame.log").write_text("Inference average time : 2.41 ms\n")
    done = r3d("logs", "--from", "msame.log", "--batch", "4", cwd=tmp_path)
    assert (0, "msame: 2.410 ms for 4 clips") == (done.returncode, done.stdout.splitlines()[0])
    (tmp_path / "msame.log").write_text("hello\n")
    done = r3d("logs", "--from", "msame.log", cwd=tmp_path)
    assert done.returncode == 2
    assert "neither figures" in done.stderr


def test_no_npu_smi_is_exit_code_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the tool: error is filled, chips are none, and the code says that a need is missing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    done = r3d("devices", "--json", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert 3 == done.returncode
    assert {"code", "message", "cause", "fix"} == set(document["error"])
    assert [] == document["chips"]


def test_doctor_is_a_table_of_needs(tmp_path: Path) -> None:
    """Each row has a state; on a machine that has all packages nothing is missing."""
    done = r3d("doctor", "--json", cwd=tmp_path)
    findings = json.loads(done.stdout)["findings"]
    assert 0 == done.returncode
    assert {"met"} >= {f["state"] for f in findings if f["name"] in ("Python", "torch", "numpy")}
    assert {"name", "state", "found", "hint"} == set(findings[0])


def test_every_stage_has_a_step(tmp_path: Path) -> None:
    """Those that read what others made work in a workspace, and say so where there is none."""
    listed = r3d("step", "--help", cwd=tmp_path).stdout
    assert all(f" {name} " in listed for name in stage_names())
    for name in ("check", "simplify", "compile", "verify", "infer"):
        done = r3d("step", name, cwd=tmp_path)
        assert (2, "") == (done.returncode, done.stdout)
        assert "no r3d.toml here" in done.stderr


def test_a_steps_bad_input_is_one_line_and_code_2(tmp_path: Path) -> None:
    """Missing files in a single step: what, where, the mend."""
    done = r3d("step", "export", "--resume_path=no.pth", cwd=tmp_path)
    assert (2, 1) == (done.returncode, len(done.stderr.strip().splitlines()))
    assert f"error: {tmp_path}/no.pth" in done.stderr
    done = r3d("step", "evaluate", "a.json", "v.json", cwd=tmp_path)
    assert (2, 1) == (done.returncode, len(done.stderr.strip().splitlines()))


def test_options_for_all_commands_stand_in_any_place(tmp_path: Path) -> None:
    """Before the command and behind it; what stands behind `--` is the command's own."""
    assert ["-w", "x", "--ascii", "status", "--json"] == globals_first(["status", "-w", "x", "--json", "--ascii"])
    assert ["--language=zh", "run"] == globals_first(["run", "--language=zh"])
    assert ["step", "--", "--ascii"] == globals_first(["step", "--", "--ascii"])
    assert ["run", "--language"] == globals_first(["run", "--language"])
    done = r3d("status", "--workspace", str(tmp_path / "none"), cwd=tmp_path)
    assert f"error: {tmp_path / 'none'}: no r3d.toml here" in done.stderr


def test_doctor_takes_the_address_of_its_cluster_or_none() -> None:
    """Without one it is that of r3d.toml; a run over servers names its own."""
    assert ["-w", "x", "doctor", "--cluster", "", "--json"] == globals_first(
        ["doctor", "--cluster", "-w", "x", "--json"]
    )
    assert ["doctor", "--cluster", ""] == globals_first(["doctor", "--cluster"])
    assert ["doctor", "--cluster", "local:2"] == globals_first(["doctor", "--cluster", "local:2"])
    assert ["run", "--cluster"] == globals_first(["run", "--cluster"])


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("status", "--wrokspace", "x"), "--workspace"),
        (("step", "infer", "--langauge=zh"), "--language"),
        (("status", "--debgu"), "--debug"),
        (("status", "--jsno"), "--json"),
    ],
)
def test_a_mistyped_option_names_the_nearest_one(tmp_path: Path, words: tuple[str, ...], near: str) -> None:
    """The command's own, and those for all commands."""
    done = r3d(*words, cwd=tmp_path)
    assert (2, "") == (done.returncode, done.stdout)
    assert f"(Possible options: {near})" in done.stderr


def test_a_mistyped_stage_names_the_nearest_one(tmp_path: Path) -> None:
    """Every one of them, also where nothing has run yet."""
    done = r3d("run", "--headless", "--from", "scor", "--to", "exprot", cwd=tmp_path)
    assert (2, 2) == (done.returncode, done.stderr.count("error: unknown stage"))
    assert "did you mean score?" in done.stderr
    assert "did you mean export?" in done.stderr
    assert "unknown stage xyz (stages: check" in r3d("rerun", "xyz", cwd=tmp_path).stderr


def test_all_faults_of_a_command_line_are_reported_at_once(tmp_path: Path) -> None:
    """Whoever fixes one does not meet the next by trying again."""
    done = r3d("init", "w", "--target", "gpu", "--devices", "x", cwd=tmp_path)
    assert (2, 4) == (done.returncode, done.stderr.count("error: "))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_and_stages(tmp_path: Path, shell: str) -> None:
    """As the script that `--install-completion` installs asks."""
    asked = {"_R3D_TUI_COMPLETE": f"complete_{shell}", "COMP_WORDS": "r3d-tui rerun inf", "COMP_CWORD": "2"}
    asked |= {"_TYPER_COMPLETE_ARGS": "r3d-tui rerun inf", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    command = [sys.executable, "-c", "import sys; sys.argv[0] = 'r3d-tui'; from r3d_tui.__main__ import main; main()"]
    environment = {**os.environ, **asked, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "infer" in done.stdout, done.stderr


def test_the_help_cuts_no_line_and_groups_the_commands(tmp_path: Path) -> None:
    """At 80 columns."""
    done = r3d("--help", cwd=tmp_path)
    assert "..." not in done.stdout.partition("Options:")[2]
    titles = [line for line in done.stdout.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert ["Options:", "Workspaces:", "Runs:", "Inspect:", "More:", "Examples:"] == titles


def test_the_version_is_one_line(tmp_path: Path) -> None:
    """By command and by option."""
    assert r3d("version", cwd=tmp_path).stdout == r3d("--version", cwd=tmp_path).stdout != ""


def test_a_terminal_that_prints_lines_only_gets_the_state(tmp_path: Path) -> None:
    """TERM=dumb, as in an editor's shell: no console, no escape sequence."""
    (tmp_path / "r3d.toml").touch()
    command = shlex.join([sys.executable, "-m", "r3d_tui", "-w", str(tmp_path)])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    done = subprocess.run(["script", "-qec", command, "/dev/null"], env=environment, capture_output=True, check=False)
    assert b"this terminal shows plain lines only" in done.stdout
    assert b"\x1b" not in done.stdout


def test_a_report_is_written_for_a_run_that_there_is(tmp_path: Path) -> None:
    """An unknown run, and a workspace in which nothing ran, are one line each."""
    (tmp_path / "r3d.toml").touch()
    assert "nothing has run here yet (r3d-tui run)" in r3d("report", cwd=tmp_path).stderr
    done = r3d("report", "-w", str(tmp_path), "--language", "zh", cwd=tmp_path)
    assert (2, True) == (done.returncode, "尚未运行过" in done.stderr)


def test_devices_are_excluded_and_included_without_a_screen(tmp_path: Path) -> None:
    """In r3d.toml, whose other lines stay; a chip that is not there and the last one are refused."""
    build_demo(tmp_path / "w", chips=4)
    settings = tmp_path / "w" / "r3d.toml"
    before = settings.read_text().splitlines()
    assert 0 == r3d("devices", "--exclude", "3", "-w", str(tmp_path / "w"), cwd=tmp_path).returncode
    changed = [line for line in settings.read_text().splitlines() if line not in before]
    assert ["devices = [0, 1, 2]"] == [line.partition(" #")[0].rstrip() for line in changed]
    assert "no device 9 (devices: 0, 1, 2, 3)" in r3d("devices", "--exclude", "9", cwd=tmp_path / "w").stderr
    assert "no device would be left" in r3d("devices", "--exclude", "0,1,2", cwd=tmp_path / "w").stderr
    assert 0 == r3d("devices", "--include", "3", cwd=tmp_path / "w").returncode
    assert not [line for line in settings.read_text().splitlines() if line.startswith("devices")]


class OverServers:
    """A client whose run is on over two servers."""

    workspace = Path()

    def snapshot(self) -> Snapshot:
        servers = tuple(DeviceRun(f"local-{number}", server=ServerWork()) for number in (1, 2))
        return Snapshot(1, self.workspace, Run(state="running", devices=servers))


def test_a_chip_of_a_server_is_not_excluded_from_a_run() -> None:
    """One line says so, and r3d.toml stays as it is."""
    with pytest.raises(InputError, match="chips of a server are not excluded one by one"):
        choose_devices(cast(Client, OverServers()), (0,), ())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("infer", "--batches", "1,4", "--profile"), "--profile is not for --batches"),
        (("infer", "--batches", "1,4", "--model", "m.onnx"), "--model is not for --batches"),
        (("infer", "--apply"), "--apply writes the best of several batch sizes"),
        (("precision", "--modes", "force_fp16,../x"), "--modes: ../x is not a precision mode"),
    ],
)
def test_options_of_a_bench_that_do_not_go_together_are_refused(
    tmp_path: Path, options: tuple[str, ...], expected: str
) -> None:
    """In one line, before anything is measured; none is passed over in silence."""
    done = r3d("bench", *options, cwd=tmp_path)
    assert (2, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith(f"error: {expected}")
