"""Fixtures of the inference tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.core.processes import leftovers
from tests.inference.rig import Rig, make_model, make_store


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 38 clips in 8 videos."""
    pytest.importorskip("numpy")
    return make_store(tmp_path_factory.mktemp("clips") / "store")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with the guide's ends, batch 10."""
    pytest.importorskip("onnx")
    return make_model(tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture
def rig(tmp_path: Path, store: Path, model: Path):
    """A stage ready to run; afterwards no process of it is left."""
    yield Rig(tmp_path / "stage", store, model)
    assert list(leftovers(tmp_path / "stage")) == []
