"""Whatever stands in a file that evaluation and the lists read, only our own errors get out of its reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.core.catalog_pages import Query
from backends.core.events import Outcome
from backends.core.messages import R3dError
from backends.core.run_state import Run, StageRun
from backends.data.annotation import read_annotation, read_labels
from backends.data.catalog import SqlCatalog, key_of
from backends.data.class_names import read_class_names
from backends.data.score_rows_reader import check_rows
from backends.engine.folders import Folders
from backends.engine.run_results import read_report
from backends.evaluate.accuracy import read_val
from backends.evaluate.result_files import read_info, read_rows
from backends.workspace.browser import _predicted


def _val(path: Path) -> None:
    read_val(path, ["wave"])


def _catalog(path: Path) -> None:
    key_of(path)
    SqlCatalog.open(path).count(Query("videos"))


def _predictions(path: Path) -> None:
    assert all(isinstance(one.video, str) for one in _predicted(path))


def _result(path: Path) -> None:
    for suffix in (".bin", ".npy", ".txt"):
        target = path.with_suffix(suffix)
        target.write_bytes(path.read_bytes())
        read_rows(target, 10, 51)


def _report(path: Path) -> None:
    folders = Folders(path.parent)
    stage = StageRun("evaluate", "done", outcome=Outcome(outputs={"report": "report.json"}), fingerprint="f")
    target = folders.artifact("evaluate", "f") / "report.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(path.read_bytes())
    assert read_report(folders, Run(stages=(stage,))) is None


READERS: tuple[Callable[[Path], object], ...] = (
    read_annotation,
    read_labels,
    read_class_names,
    read_info,
    check_rows,
    _val,
    _catalog,
    _predictions,
    _result,
    _report,
)
DIGITS = b"9" * 400
ODD = (
    b"[" * 20_000,
    b"1" * 5_000,
    b'{"labels": ["wave"], "database": {"a": {"subset": [], "annotations": {"label": {}, "segment": ['
    + DIGITS
    + b", 2]}}}}",
    b'{"labels": [["wave"]], "database": {}}',
    b'{"results": {"a": [{"label": ["wave"], "score": ' + DIGITS + b"}]}}",
    b'{"results": {"a": [{"label": "wave", "score": -' + DIGITS + b"}]}}",
    b'{"results": {"a": [{"label": "wave", "score": NaN}], "b": 1, "c": [[]]}}',
    b'{"annotations": {"annotations": []}}',
    b"\xef\xbb\xbf{}",
    b'video,class,label_1,score_1\n"a"b,,\x00,nan\n"',
    b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999999,), }",
    b"SQLite format 3\x00" + b"\xff" * 84,
    b"a 99999999999999999999\nb -1\n",
    b"\0" * 100,
    b"",
)


def _foreign_error(read: Callable[[Path], object], path: Path) -> Exception | None:
    """What the reader raised that is none of our own errors."""
    try:
        read(path)
    except R3dError:
        return None
    except Exception as error:  # noqa: BLE001 - whatever else gets out
        return error
    return None


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__.strip("_"))
@given(data=st.binary(max_size=200) | st.sampled_from(ODD))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_our_own_errors_get_out(read: Callable[[Path], object], data: bytes, tmp_path: Path) -> None:
    """Any bytes, deep nesting, long numbers, values of the wrong kind, headers that promise too much."""
    path = tmp_path / "file"
    path.write_bytes(data)
    assert _foreign_error(read, path) is None


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__.strip("_"))
def test_every_odd_file_is_met(read: Callable[[Path], object], tmp_path: Path) -> None:
    """Each by name, whatever chance draws."""
    path = tmp_path / "file"
    for data in ODD:
        path.write_bytes(data)
        assert _foreign_error(read, path) is None, data[:40]
