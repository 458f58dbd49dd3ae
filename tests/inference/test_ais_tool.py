"""What ais_bench's words, summaries and exit codes mean, and which generation it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from backends.ascend import ais_bench_install
from backends.ascend.ais_bench_install import (
    RUN,
    AisBench,
    Summary,
    bar_position,
    generation_of,
    infer_line,
    probe,
    pure_line,
    read_summary,
    summary_path,
    versions,
)
from backends.ascend.diagnosis import diagnose_run
from backends.core.messages import NeedError

FAKES = Path(__file__).resolve().parents[1] / "fakes"
TIMES = {"min": 2.1, "max": 2.3, "mean": 2.26, "median": 2.27, "percentile(99%)": 2.3}


@pytest.mark.parametrize(("generation", "told"), zip("ABCDE", "ABCDD", strict=True))
def test_the_generation_is_told_by_the_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generation: str, told: str
) -> None:
    """Never by the version, which is the same in all; the last two offer the same."""
    monkeypatch.setenv("PYTHONPATH", str(FAKES))
    monkeypatch.setenv("FAKE_AIS_GENERATION", generation)
    found = probe(FAKES / "ais_infer.py" if generation == "A" else None, tmp_path)
    assert (told, told == "D") == (found.generation, found.checks_paths)


def test_a_tool_that_hangs_in_its_help_is_a_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The import of a hanging driver's libraries does not hold us."""
    package = tmp_path / "ais_bench"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import time; time.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(NeedError, match="ais_bench gave no help in 2 s"):
        probe(None, tmp_path, 2.0)


def test_a_help_of_something_else_is_no_generation() -> None:
    """Another tool's help, and nothing."""
    assert generation_of("usage: something --model X") is None
    assert generation_of("") is None


def test_a_wrong_path_is_a_need(tmp_path: Path) -> None:
    """With the setting by name."""
    with pytest.raises(NeedError, match=r"no such file \(infer.ais_bench"):
        probe(tmp_path / "none.py", tmp_path)


def test_versions_are_those_of_the_tools_python(tmp_path: Path) -> None:
    """Asked of that interpreter, packages that are not there left out."""
    found = versions(Path(sys.executable), tmp_path)
    assert "{}.{}.{}".format(*sys.version_info[:3]) == found["python"]
    assert "numpy" in found
    assert "aclruntime" not in found


def summary_file(folder: Path, **changes: object) -> Path:
    body = {"NPU_compute_time": TIMES, "throughput": 4424.7, "npu_compute_time_list": [2.2, 2.3]}
    path = folder / "s.json"
    path.write_text(json.dumps({**body, **changes}))
    return path


def test_a_summary_is_read_in_every_form(tmp_path: Path) -> None:
    """Times as a list, as pairs of the newer generations, or not at all."""
    assert Summary(4424.7, 2.26, 2.27, (2.2, 2.3)) == read_summary(summary_file(tmp_path))
    pairs = read_summary(summary_file(tmp_path, npu_compute_time_list=[[1.0, 3.5], [4.0, 6.0]]))
    assert pairs is not None
    assert (2.5, 2.0) == pairs.times_ms
    assert 2.5 == pairs.p95_ms
    body = {"NPU_compute_time": TIMES, "throughput": 4424.7}
    (tmp_path / "s.json").write_text(json.dumps(body))
    old = read_summary(tmp_path / "s.json")
    assert old is not None
    assert ((), None) == (old.times_ms, old.p95_ms)


def test_a_summary_of_several_threads_has_the_median_of_its_list(tmp_path: Path) -> None:
    """The newest tell their mean alone, beside a start and an end of each execution."""
    several = {"mean": 2.5, "count": 3}
    path = summary_file(tmp_path, NPU_compute_time=several, npu_compute_time_list=[[0.0, 2.0], [1.0, 3.5], [3.5, 6.5]])
    assert Summary(4424.7, 2.5, 2.5, (2.0, 2.5, 3.0)) == read_summary(path)
    assert read_summary(summary_file(tmp_path, NPU_compute_time=several, npu_compute_time_list=[])) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"throughput": "fast"},
        {"throughput": float("nan")},
        {"throughput": 0},
        {"NPU_compute_time": None},
        {"NPU_compute_time": {}},
        {"npu_compute_time_list": [[1]]},
        {"npu_compute_time_list": ["x"]},
        {"npu_compute_time_list": [-1.0]},
    ],
    ids=repr,
)
def test_a_summary_that_is_not_one_is_none(tmp_path: Path, changes: dict[str, object]) -> None:
    """Wrong types, values that no run has, a missing or broken file: nothing is made of them."""
    assert read_summary(summary_file(tmp_path, **changes)) is None
    (tmp_path / "s.json").write_text("[1, 2")
    assert read_summary(tmp_path / "s.json") is None
    assert read_summary(tmp_path / "none") is None


def test_the_summary_is_where_its_generation_puts_it(tmp_path: Path) -> None:
    """Inside and misspelt in the first, beside the folder later."""
    places = [summary_path(AisBench((), generation), tmp_path).name for generation in ("A", "B", "D")]
    assert ["sumary.json", "run_summary.json", "run_summary.json"] == places


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("\rInference array Processing:   0%|          | 0/3 [00:00<?, ?it/s]", (0, 3)),
        (
            "\rInference array Processing:  33%|███▎      | 1/3 [0\rInference array Processing:  66%|██▎ | 2/3 [00",
            (2, 3),
        ),
        ("\rInference Processing: 100%|██████████| 1530/1530 [00:44<00:00, 34.4it/s]\n", (1530, 1530)),
        ("\rInference Processing full:  10%|#         | 1/10 [00:00<00:02,  3.40it/s]", (1, 10)),
        ("\rInference Processing task:  50%|█████     | 2/4 [00:00<00:00, 21.29it/s]", (2, 4)),
        ("\rloop inference exec: (7/20)\rloop inference exec: (8/20)", (8, 20)),
        ("[INFO] warm up 1 done", None),
    ],
)
def test_the_bar_is_read_where_it_was_drawn_last(words: str, expected: tuple[int, int] | None) -> None:
    """Every generation's name for it, the loops of pure inference, and none at all."""
    assert expected == bar_position(words)


CLOSING = "[INFO] unload model success, model Id is 1\n[INFO] end to reset device 0\n[INFO] end to finalize acl\n"


@pytest.mark.parametrize(
    ("status", "words", "reason", "again"),
    [
        (
            1,
            "[ERROR] acl open device 5 failed\nRuntimeError: [107001][Error code unknown] \n",
            "cannot be opened",
            False,
        ),
        (1, "[ERROR] load model from file failed, model file is bad.om\n", "the model cannot be loaded", False),
        (1, "[ERROR] arg0 tensorsize: 24084480 filesize: 1000 not match\n", "takes other sizes", False),
        (1, "x\nais_bench.infer.path_security_check.OpenException: create FileStat failed\n", "refuses a path", False),
        (
            2,
            "usage: x\n__main__.py: error: argument -o: permission should not be over 0o750\n",
            "refuses a path",
            False,
        ),
        (2, "usage: x\n__main__.py: error: unrecognized arguments: --x\n", "unrecognized arguments", False),
        (1, "[ACL ERROR] EZ9999: error code is 507015\n[ERROR] execute model failed, modelId is 1\n", "507015", True),
        (1, "UnboundLocalError: local variable 'pkg_resources' referenced\n", "its own version", False),
        (1, "ModuleNotFoundError: No module named 'tabulate'\n", "lacks a module", False),
        (139, "", "ended by signal 11", True),
        (7, "", "exit status 7", True),
    ],
)
def test_failures_are_told_by_what_was_said_first(status: int, words: str, reason: str, again: bool) -> None:
    """The closing lines come after failures too; whether a new process could do better goes with the reason."""
    found = diagnose_run(status, words + CLOSING)
    assert reason in str(found.reason)
    assert again == found.again


def test_foreign_words_are_made_plain() -> None:
    """Colours and control characters do not reach a face."""
    said = "Error: [\x1b[1;32mSOLUTION\x1b[0m] visit\x07"
    assert "Error: [SOLUTION] visit" == str(diagnose_run(1, "\x1b[31m" + said).reason)


def test_the_guides_pure_measurement_is_its_line(tmp_path: Path) -> None:
    """`--loop 20 --batchsize 10`, no input; the output is for the summary."""
    line = pure_line(AisBench(("python3", "-m", "ais_bench"), "B"), tmp_path / "m.om", tmp_path, 1, 10, 20)
    assert "--input" not in line
    assert ["--loop", "20"] == line[3:5]
    assert ("10", "1") == (line[line.index("--batchsize") + 1], line[line.index("--device") + 1])
    assert ais_bench_install.PACKAGES


def test_the_rewrite_of_2026_is_known_by_its_dashes() -> None:
    """Its help is a table, cut to the terminal's width; its options have dashes; its rules for paths are the newer."""
    text = (
        "│ *  --model  -m  <str>  The path of the om model │\n│    --output-dirna…  <str>  such as --output_dirname │"
    )
    assert "F" == generation_of(text)
    tool = AisBench(("python3", "-m", "ais_bench"), "F")
    assert tool.checks_paths
    line = infer_line(tool, Path("m.om"), Path("in"), Path("out"), 0, 10)
    assert ["--output-dirname", RUN] == line[line.index("--output-dirname") :][:2]
