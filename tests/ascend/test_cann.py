"""CANN is found in one place, and its environment is entered however its set_env.sh behaves."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from backends.ascend import cann
from tests.models.toolkits import make_toolkit


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose usual places are below this folder."""
    for name in cann.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(cann, "ROOTS", (str(tmp_path / "local"), str(tmp_path / "opt"), "~/Ascend"))
    return tmp_path


@pytest.mark.parametrize("place", [".", "latest"])
def test_the_toolkit_of_the_environment_is_found_with_its_version(tmp_path: Path, place: str) -> None:
    """ASCEND_TOOLKIT_HOME may name the toolkit's folder or its `latest`."""
    folder = make_toolkit(tmp_path / "toolkit", "5.1.RC2")
    found = cann.find({"ASCEND_TOOLKIT_HOME": str(folder / place)})
    assert found is not None
    assert (folder / "set_env.sh", "5.1.RC2", folder / "latest") == (found.set_env, found.version, found.folder)
    assert folder / "latest/version.cfg" == cann.version_file({"ASCEND_TOOLKIT_HOME": str(folder / place)})


def test_the_toolkits_variable_comes_first(tmp_path: Path) -> None:
    """ASCEND_HOME_PATH counts where the other one names nothing that is there."""
    for name, version in (("a", "8.0.RC2"), ("b", "7.0.0")):
        make_toolkit(tmp_path / name, version)
    both = {"ASCEND_TOOLKIT_HOME": str(tmp_path / "a/latest"), "ASCEND_HOME_PATH": str(tmp_path / "b/latest")}
    assert ["8.0.RC2", "7.0.0"] == [found.version for found in cann.named(both)]
    found = cann.find({**both, "ASCEND_TOOLKIT_HOME": str(tmp_path / "gone")})
    assert found is not None
    assert "7.0.0" == found.version


@pytest.mark.parametrize(
    "place", ["local/ascend-toolkit", "opt/cann", "home/Ascend/ascend-toolkit", "home/Ascend/nnrt"]
)
def test_usual_places_are_found(root: Path, place: str) -> None:
    """Of the system, under /opt, and of a user's own, whatever kind it is."""
    make_toolkit(root / place, "8.1.RC1")
    found = cann.find()
    assert found is not None
    assert (root / place / "set_env.sh", "8.1.RC1") == (found.set_env, found.version)


def test_a_toolkit_comes_before_a_run_time_alone(root: Path) -> None:
    """nnrt of the system has no atc; a user's own toolkit has."""
    make_toolkit(root / "local/nnrt")
    make_toolkit(root / "home/Ascend/ascend-toolkit", "7.0.0")
    found = cann.find()
    assert found is not None
    assert "7.0.0" == found.version
    assert cann.find({"ASCEND_HOME_PATH": str(root / "nowhere")}) == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# version: 1.0\ntoolkit_running_version=[1.83.T8.0.B121:5.1.RC2]\n", "5.1.RC2"),
        ("toolkit_installed_version=[7.7.T20.0.B210:8.1.RC1]\n", "8.1.RC1"),
        ("nnrt_running_version=[7.3.0.1.231:8.0.RC2]\nruntime_running_version=[7.3.0.1.231:7.9]\n", "8.0.RC2"),
        ("package_name=Ascend-cann-toolkit\nversion=8.5.0\narch=aarch64\n", "8.5.0"),
        ("Version=8.0.RC2\n", "8.0.RC2"),
        ("nothing\n", None),
    ],
)
def test_version_files(tmp_path: Path, text: str, expected: str | None) -> None:
    """The forms in which releases write their version."""
    (tmp_path / "v").write_text(text)
    assert expected == cann.read_version(tmp_path / "v")


SCRIPTS = {
    "quiet": ("export A=1 B=2", "1 2", ""),
    "prints": ("echo welcome; export A=1 B=2; read answer", "1 2", "welcome"),
    "set -e": ("set -e; export A=1; false; export B=2", "1 2", ""),
    "set -u": ("set -u; export A=1; echo $NOWHERE; export B=2", "1 ", cann.ENDED_EARLY),
    "exit": ("export A=1; exit 3; export B=2", "1 ", f"{cann.ENDED_EARLY} 3"),
    "return": ("export A=1; return 4; export B=2", "1 ", ""),
    "own trap": ("trap 'echo bye' EXIT; export A=1 B=2", "1 2", ""),
    "arguments": ('[ $# = 0 ] || exit 9; export A="1" B=2', "1 2", ""),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_set_env_does_is_not_the_tools(tmp_path: Path, name: str) -> None:
    """Its output, input, options and end are its own; what it exported until then is there."""
    script, expected, printed = SCRIPTS[name]
    (tmp_path / "set_env.sh").write_text(script + "\n")
    line = cann.sourced(cann.Toolkit(tmp_path, tmp_path / "set_env.sh"), ["sh", "-c", 'cat; echo "$A $B"; exit 5'])
    ended = subprocess.run(line, input="in\n", capture_output=True, text=True, check=False)
    assert (5, f"in\n{expected}\n") == (ended.returncode, ended.stdout)
    assert printed in ended.stderr


def test_a_command_that_is_not_there_ends_with_127(tmp_path: Path) -> None:
    """As a shell says it, also after a script that ended early."""
    for script in ("", "exit 1"):
        (tmp_path / "set_env.sh").write_text(script)
        line = cann.sourced(cann.Toolkit(tmp_path, tmp_path / "set_env.sh"), ["no-such-tool"])
        assert 127 == subprocess.run(line, capture_output=True, check=False).returncode
