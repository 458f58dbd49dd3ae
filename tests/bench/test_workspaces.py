"""Cold runs: what they took is read from the run itself."""

from __future__ import annotations

from pathlib import Path

from backends.demo.demo_dataset import assets_folder
from bench.processes import r3d_tui, timed
from bench.samples import sample_films
from bench.workspaces import _imports, run_cold


def test_a_cold_run_is_read_with_its_stages_result_and_imports(tmp_path: Path) -> None:
    """Nothing of an earlier run is used again, and every stage's process says what it imports."""
    films, workspace = sample_films(tmp_path, 10), tmp_path / "run" / "w"
    (checkpoint,) = (assets_folder() / "demo").glob("*.pth")
    given = ("--videos", films, "--splits", tmp_path / "splits", "--checkpoint", checkpoint)
    timed(r3d_tui("init", workspace, *given), tmp_path / "made")
    run = run_cold(workspace, "--to", "annotate", extra={"PYTHONPROFILEIMPORTTIME": "1"})
    assert {"check", "annotate"} <= set(run.stages)
    assert 0 < run.stages_s < run.wall_s
    found = dict(_imports(workspace))
    assert {"check", "annotate"} == set(found)
    assert all(modules > 100 and seconds > 0 for modules, seconds in found.values())
