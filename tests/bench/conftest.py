"""What the benches are tested on: fixtures of the packages that they measure."""

from __future__ import annotations

from tests.data.conftest import bench, each_kernel  # noqa: F401 - fixtures
from tests.inference.conftest import model  # noqa: F401 - a fixture
