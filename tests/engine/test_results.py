"""What a run found, read back from its artifacts, and copied out of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.core.codec import encode, seal
from backends.core.events import Outcome
from backends.core.messages import InputError
from backends.core.plan import Plan, Stage
from backends.core.run_state import Run, StageRun
from backends.core.settings import InferSettings, Settings
from backends.engine.folders import Folders
from backends.engine.run_results import export, read_report, read_settings

CSV = (
    "video,class,right,in_top_k,reason,label_1,score_1\n"
    "a,wave,1,1,,wave,0.75\n"
    "'=b,wave,0,1,,clap,0.5\n"
    "c,clap,,,its frames are gone\n"
)


@pytest.fixture
def ended(tmp_path: Path) -> tuple[Folders, Run]:
    """A run with two stages done and their files in place."""
    folders = Folders(tmp_path / "work")
    stages = []
    for name, outputs in (
        ("score", {"val": "val.json"}),
        ("evaluate", {"predictions": "predictions.csv", "text": "report.md", "report": "report.json"}),
    ):
        place = folders.artifact(name, "f1")
        place.mkdir(parents=True)
        for file in outputs.values():
            (place / file).write_text(CSV if file == "predictions.csv" else "{}")
        stages.append(StageRun(name, "done", outcome=Outcome(outputs=outputs), fingerprint="f1"))
    return folders, Run(id="r1", stages=tuple(stages))


def test_what_is_gone_is_not_there(ended: tuple[Folders, Run]) -> None:
    """Artifacts that somebody deleted or that are no report give nothing instead of an error."""
    folders, run = ended
    assert read_report(folders, run) is None
    (folders.artifact("evaluate", "f1") / "report.json").unlink()
    assert read_report(folders, run) is None
    assert read_report(folders, Run(id="r2")) is None


def test_results_are_copied_out(ended: tuple[Folders, Run], tmp_path: Path) -> None:
    """Four files land in the folder; a second time changes nothing."""
    target = tmp_path / "new" / "out"
    names = ["val.json", "predictions.csv", "report.md", "report.json"]
    for _ in range(2):
        assert names == [path.name for path in export(*ended, target)]
    assert sorted(names) == sorted(path.name for path in target.iterdir())
    assert CSV == (target / "predictions.csv").read_text()


def test_nothing_is_overwritten(ended: tuple[Folders, Run], tmp_path: Path) -> None:
    """A file of the same name with another content is named and kept, and nothing else is copied."""
    (tmp_path / "report.md").write_text("mine")
    with pytest.raises(InputError, match=r"report\.md: there already"):
        export(*ended, tmp_path)
    assert "mine" == (tmp_path / "report.md").read_text()
    assert not (tmp_path / "val.json").exists()


def test_a_run_without_a_result_has_nothing_to_export(ended: tuple[Folders, Run], tmp_path: Path) -> None:
    """It is said which run, and what to do."""
    with pytest.raises(InputError, match="run r2 has no result"):
        export(ended[0], Run(id="r2"), tmp_path)


def test_the_settings_of_a_run_are_read_from_its_plan(tmp_path: Path) -> None:
    """Whole, as a stage of it was given them; None where no stage was, and where the plan is damaged."""
    folders = Folders(tmp_path)
    settings = Settings(infer=InferSettings(batch=4))
    plan = Plan(tmp_path, (Stage("look", "toys:look", 1, params={"settings": encode(settings)}),))
    file = folders.run("one").plan
    file.parent.mkdir(parents=True)
    file.write_bytes(seal(plan))
    assert settings == read_settings(folders, "one")
    file.write_bytes(seal(Plan(tmp_path, (Stage("look", "toys:look", 1),))))
    assert read_settings(folders, "one") is None
    file.write_bytes(seal(plan).replace(b'"batch":4', b'"batch":5'))
    assert read_settings(folders, "one") is None
    assert read_settings(folders, "gone") is None
