"""A rows file read whole, to look at what the product reads clip by clip."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backends.data.score_rows import Header, all_records, read_header, record_type


class Rows(NamedTuple):
    """All rows of a file, sorted by clip number, each number once."""

    header: Header
    numbers: NDArray[np.int64]
    logits: NDArray[np.float32]
    duplicates: int


def load_rows(path: Path) -> Rows:
    """Of records with equal clip numbers the first one counts. Errors as `all_records`."""
    parts = list(all_records(path))
    header = read_header(path)
    assert header is not None
    records = np.concatenate(parts) if parts else np.empty(0, record_type(header.classes))
    numbers, first = np.unique(records["number"], return_index=True)
    logits = np.ascontiguousarray(records["logits"][first], dtype=np.float32)
    return Rows(header, numbers.astype(np.int64), logits, len(records) - len(numbers))


def read_rows(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Clip numbers (n,) and logits (n, classes)."""
    rows = load_rows(path)
    return rows.numbers, rows.logits
