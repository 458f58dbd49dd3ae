"""Whether a run outlives the login session it was begun in, by a made-up logind."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from backends.checks import check_stage
from backends.core.needs import Finding
from backends.core.settings import Settings

ME = pwd.getpwuid(os.getuid()).pw_name
SESSION = "0::/user.slice/user-1000.slice/session-3.scope"
MANAGER = f"0::/user.slice/user-1000.slice/user@{os.getuid()}.service/app.slice/run-r1.scope"
SERVICE = "0::/system.slice/cron.service"
ENABLE = f"run loginctl enable-linger {ME}"
SCOPE = "systemd-run --user --scope --collect r3d-tui"


class Machine:
    """Its files below a folder, and its loginctl on PATH."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "run/systemd/system").mkdir(parents=True)
        (root / "proc/self").mkdir(parents=True)
        (root / "bin").mkdir()

    def says(
        self, kill: str = "no", linger: str = "no", exclude: str = "", only: str = "", group: str = SESSION
    ) -> None:
        """What loginctl answers, and the control group of this process."""
        answers = f"KillUserProcesses={kill}\nKillExcludeUsers={exclude}\nKillOnlyUsers={only}\n"
        (self.root / "manager").write_text(answers)
        (self.root / "user").write_text(f"Linger={linger}\n")
        self.script(f"case $1 in show-session) cat {self.root}/manager;; show-user) cat {self.root}/user;; esac")
        (self.root / "proc/self/cgroup").write_text(f"1:name=x:/\n{group}\n")

    def script(self, text: str) -> None:
        """What loginctl does."""
        (self.root / "bin" / "loginctl").write_text(f"#!/bin/sh\n{text}\n")
        (self.root / "bin" / "loginctl").chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with logind."""
    monkeypatch.setattr(check_stage, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return Machine(tmp_path)


def _finding() -> Finding:
    finding = check_stage.login_finding()
    assert finding is not None
    return finding


def _state() -> str:
    return _finding().state


def test_with_logind_as_it_comes_a_run_outlives_the_session(machine: Machine) -> None:
    """KillUserProcesses=no, the default of Debian and others: a row that says so."""
    machine.says()
    assert ("met", "a run outlives it") == (_finding().state, str(_finding().found))


def test_a_logind_that_kills_is_a_warning_with_the_commands(machine: Machine) -> None:
    """Without lingering nothing survives: first that, then a scope of the user's manager; with it the scope alone."""
    machine.says(kill="yes")
    assert "warning" == _finding().state
    assert f"a run ends with it: logind kills what {ME} leaves (KillUserProcesses=yes)" == str(_finding().found)
    assert f"{ENABLE}, then start r3d-tui by {SCOPE}" == str(_finding().hint)
    machine.says(kill="yes", linger="yes")
    assert ("warning", f"start r3d-tui by {SCOPE}") == (_finding().state, str(_finding().hint))


def test_under_the_users_manager_lingering_decides(machine: Machine) -> None:
    """The scope that was advised: it stays where the user lingers, and goes with the manager where not."""
    machine.says(kill="yes", linger="yes", group=MANAGER)
    assert "met" == _state()
    machine.says(kill="no", linger="no", group=MANAGER)
    assert ("warning", ENABLE) == (_finding().state, str(_finding().hint))


def test_logind_kills_only_whom_it_names(machine: Machine) -> None:
    """KillExcludeUsers goes before KillOnlyUsers; what is in no session is nobody's to kill."""
    for state, told in (
        ("met", {"exclude": f"root {ME}"}),
        ("met", {"only": "somebody"}),
        ("warning", {"only": f"somebody {ME}"}),
        ("met", {"only": ME, "exclude": ME}),
        ("met", {"group": SERVICE}),
    ):
        machine.says(kill="yes", **told)
        assert state == _state(), told


def test_a_hanging_loginctl_holds_nothing_up(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up after a limit, and the files tell."""
    machine.says(kill="yes")
    machine.script("sleep 60")
    monkeypatch.setattr(check_stage, "LIMIT_S", 0.2)
    assert "met" == _state()


def test_a_machine_without_logind_has_no_such_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers: nobody logs in, nothing is said. Where there is one, the table has the row."""
    monkeypatch.setattr(check_stage, "ROOT", tmp_path)
    assert "login session" not in {row.name for row in check_stage.diagnose(Settings(), tmp_path)}
    Machine(tmp_path).says()
    assert "login session" in {row.name for row in check_stage.diagnose(Settings(), tmp_path)}
