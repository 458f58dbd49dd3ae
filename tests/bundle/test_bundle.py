"""A whole bundle: what is in it, who can read it, and that no planted secret is."""

from __future__ import annotations

import json
import os
import stat
import tarfile
from pathlib import Path

import pytest

from backends import api
from backends.bundle import collect
from backends.core.events import RunFinished, RunStarted, StageNote, StageStarted
from backends.core.messages import InputError, line
from backends.core.run_state import Run, fold
from backends.engine.folders import Folders
from backends.engine.journal import Journal
from tests.r3d_tui.commands.test_cli import r3d

SECRET = "hunter2"
NAME = "we ird; $(x) 'q\" ../工作 \x1b[31m"
MEMBERS = "r3d-tui-bundle/"


def _journal(folders: Folders, run_id: str, ended: bool = True) -> None:
    folder = folders.run(run_id)
    events = [
        RunStarted(run_id, ("frames",), 1, "npu7.lab"),
        StageStarted("frames", 1, line("not built yet"), 2, "f" * 20),
        StageNote(
            "frames",
            line("{path}: {reason}", path=f"{folders.workspace}/videos", reason=f"password={SECRET}"),
            "warning",
        ),
        *([RunFinished("done")] if ended else []),
    ]
    run = Run()
    for event in events:
        run = fold(run, event, 1.0)
    journal = Journal(folder.journal)
    journal.commit([(1.0, event) for event in events], run)
    journal.close(finished=True)
    folder.plan.write_text('{"workspace": "x", "stages": []}')
    (folder.path / "logs").mkdir()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run in a folder of a hostile name, with secrets planted wherever text lies."""
    monkeypatch.setenv("HOME", str(tmp_path / "mei"))
    monkeypatch.setenv("USER", "mei.lin")
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path}/mei/lib")
    monkeypatch.setattr("socket.gethostname", lambda: "npu7.lab")
    place = tmp_path / "mei" / NAME.replace("/", "_")
    place.mkdir(parents=True)
    (place / "r3d.toml").write_text(f'# token = "{SECRET}"\n[dataset]\nvideos = "{tmp_path}/mei/videos"\n')
    folders = Folders(place)
    _journal(folders, "20260101-000000-0000")
    logs = folders.run("20260101-000000-0000").path / "logs"
    (logs / "frames-1.log").write_text(
        f"{place}\nmei.lin@npu7.lab\nhttps://a:{SECRET}@10.2.3.4/\n\x1b]0;x\x07api_key={SECRET}\n"
    )
    (logs / "infer-1.log").write_bytes(b"password=" + SECRET.encode() * 60_000 + b"\nlast line\n")
    plog = logs.parent / "attempts" / "compile-1" / "plog" / "debug" / "plog"
    plog.mkdir(parents=True)
    (plog / "plog-7_1.log").write_text(f"[INFO] fine\n[ERROR] GE(7,atc.bin): {place} password={SECRET}\n")
    (logs / "link-1.log").symlink_to("/etc/passwd")
    os.mkfifo(logs / "pipe-1.log")
    return place


def _read(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        found = {}
        for entry in archive:
            assert entry.isreg()
            assert (0o600, 0, 0, "", "") == (entry.mode, entry.uid, entry.gid, entry.uname, entry.gname)
            file = archive.extractfile(entry)
            assert file is not None
            found[entry.name.removeprefix(MEMBERS)] = file.read().decode()
        return found


def test_a_bundle_says_what_happened_and_nothing_secret(workspace: Path, tmp_path: Path) -> None:
    """Versions, findings, npu-smi, settings, journal and logs are there; planted secrets, names and places are not."""
    made = api.make_bundle(workspace, tmp_path / "b.tar.gz", {"status.json": {"workspace": str(workspace), "n": 1}})
    assert 0o600 == stat.S_IMODE(made.path.stat().st_mode)
    assert made.bytes == made.path.stat().st_size
    texts = _read(made.path)
    assert set(made.files) == set(texts)
    here = "runs/20260101-000000-0000"
    assert {
        "README.md", "status.json", "versions.txt", "environment.txt", "doctor.txt", "npu-smi.txt", "r3d.toml",
        "runs.txt", f"{here}/events.jsonl", f"{here}/plan.json",
        f"{here}/logs/frames-1.log", f"{here}/logs/infer-1.log", f"{here}/plog/compile-1.log",
    } == set(texts)  # fmt: skip
    whole = "\n".join([*texts, *texts.values()])
    for planted in (SECRET, "mei.lin", "npu7", str(tmp_path), workspace.name, "we ird", "10.2.3.4", "\x1b", "root:x"):
        assert planted not in whole, planted
    assert '{"workspace": "<workspace>", "n": 1}\n' == texts["status.json"]
    assert "<workspace>\n<email>\nhttps://<secret>@<ip>/\napi_key=<secret>\n" == texts[f"{here}/logs/frames-1.log"]
    assert "[ERROR] GE(7,atc.bin): <workspace> password=<secret>\n" == texts[f"{here}/plog/compile-1.log"]
    assert "last line\n" == texts[f"{here}/logs/infer-1.log"]
    assert "<workspace>/videos" in texts[f"{here}/events.jsonl"]
    assert "20260101-000000-0000 done\n" == texts["runs.txt"]
    assert "Python 3." in texts["versions.txt"]
    assert "textual==" in texts["versions.txt"]
    assert "LD_LIBRARY_PATH=<home>/lib\n" in texts["environment.txt"]
    assert "$ npu-smi info\n" in texts["npu-smi.txt"]
    assert b"npu7" not in made.path.read_bytes()
    assert b"b.tar" not in made.path.read_bytes()


def test_the_readme_names_what_is_in_it_and_what_is_not(workspace: Path, tmp_path: Path) -> None:
    """Each file with its size, the placeholders with their counts, and each thing that was cut."""
    made = api.make_bundle(workspace, tmp_path / "b.tgz", {})
    readme = _read(made.path)["README.md"]
    assert all(f"- {name}, " in readme for name in made.files if name != "README.md")
    assert "<secret> " in readme
    assert "infer-1.log: the last 10 bytes of 420020 bytes" in readme.replace("the last 10 of", "the last 10 bytes of")
    assert "link-1.log: no plain file" in readme
    assert "pipe-1.log: no plain file" in readme
    assert 3 == len(made.left_out)


def test_a_journal_of_many_events_gives_its_last(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of the others is told."""
    monkeypatch.setattr(collect, "EVENTS", 2)
    made = api.make_bundle(workspace, tmp_path / "b.tgz", {})
    text = _read(made.path)["runs/20260101-000000-0000/events.jsonl"]
    assert 2 == len(text.splitlines())
    assert '"kind": "RunFinished"' in text
    assert "the last 2 of 4 events" in "\n".join(map(str, made.left_out))


def test_what_would_be_too_large_is_left_out_by_name(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest stands."""
    monkeypatch.setattr("backends.bundle.pack.LARGEST", 2500)
    made = api.make_bundle(workspace, tmp_path / "b.tgz", {"big.json": ["x"] * 1000})
    assert "big.json" not in made.files
    assert "big.json: left out, 5000 bytes" in "\n".join(map(str, made.left_out)).replace("5001", "5000")
    assert "versions.txt" in made.files


def test_a_broken_workspace_is_just_what_a_bundle_is_for(workspace: Path, tmp_path: Path) -> None:
    """Settings that cannot be read and a journal that is none: said inside, and no end."""
    (workspace / "r3d.toml").write_text("[dataset\n")
    Folders(workspace).run("20260101-000000-0000").journal.write_bytes(b"no database" * 100)
    texts = _read(api.make_bundle(workspace, tmp_path / "b.tgz", {}).path)
    assert texts["doctor.txt"].startswith("doctor ended: <workspace>/r3d.toml")
    assert "20260101-000000-0000 unreadable\n" == texts["runs.txt"]
    assert "file is not a database" in texts["README.md"]


def test_nothing_is_written_over(workspace: Path, tmp_path: Path) -> None:
    """Not a file, not through a link, and no half a bundle where it cannot be written."""
    (tmp_path / "there.tgz").write_text("mine")
    (tmp_path / "link.tgz").symlink_to("elsewhere")
    for name, why in (("there.tgz", "there already"), ("link.tgz", "there already"), ("b.zip", "a bundle is a")):
        with pytest.raises(InputError, match=why):
            api.make_bundle(workspace, tmp_path / name, {})
    with pytest.raises(InputError, match="No such file"):
        api.make_bundle(None, tmp_path / "no folder" / "b.tgz", {})
    assert {"mei", "there.tgz", "link.tgz"} == {path.name for path in tmp_path.iterdir()}
    assert "mine" == (tmp_path / "there.tgz").read_text()


def test_doctor_writes_it_also_where_it_ends_with_an_error(workspace: Path, tmp_path: Path) -> None:
    """The command line: findings on standard output, the file named on standard error; exit codes are doctor's."""
    for settings, codes in (("", {0, 3}), ("[dataset\n", {2})):
        (workspace / "r3d.toml").write_text(settings)
        target = tmp_path / f"{len(codes)}.tgz"
        done = r3d("-w", str(workspace), "doctor", "--json", "--bundle", str(target), cwd=tmp_path)
        assert done.returncode in codes
        assert f"Written: {target} (" in done.stderr
        assert "not in it: runs/20260101-000000-0000/logs/link-1.log: no plain file" in done.stderr
        assert "README.md" in _read(target)
        assert codes == {2} or json.loads(done.stdout)["findings"]
    assert 2 == r3d("doctor", "--bundle", str(target), cwd=tmp_path).returncode


def test_without_a_workspace_the_machine_alone_is_told(tmp_path: Path) -> None:
    """As doctor does without one."""
    made = api.make_bundle(None, tmp_path / "b.tgz", {})
    assert ("README.md", "versions.txt", "environment.txt", "doctor.txt", "npu-smi.txt") == made.files
