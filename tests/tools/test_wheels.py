"""What is pinned resolves from wheels alone on servers with NPUs and on others, by the recorded names of the wheels."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parents[2]
WHEELS = [parse_wheel_filename(name) for name in Path(__file__).with_name("wheels.txt").read_text().split()]
MACHINES = ("aarch64", "x86_64")
GLIBCS = (28, 34)
"""openEuler 20.03 and Kylin V10 have 2.28, openEuler 22.03 has 2.34."""
PYTHONS = (10, 11, 12, 13)


def _pins(machine: str, minor: int) -> list[tuple[str, str]]:
    """(Name, version) of what is asked for on a machine with a Python."""
    environment = {
        "platform_machine": machine,
        "python_version": f"3.{minor}",
        "python_full_version": f"3.{minor}.9",
        "sys_platform": "linux",
    }
    rows = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    parts = [row.partition(";") for row in rows if row and row[0] != "#"]
    wanted = [pin for pin, _, marker in parts if not marker or Marker(marker.strip()).evaluate(environment)]
    return [(canonicalize_name(name), version) for name, _, version in (pin.strip().partition("==") for pin in wanted)]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("glibc", GLIBCS)
@pytest.mark.parametrize("minor", PYTHONS)
def test_the_lock_resolves_from_wheels_alone(machine: str, glibc: int, minor: int) -> None:
    """Nothing is compiled on a server; `python tools/lock.py --wheels` writes the record again."""
    platforms = [f"manylinux_2_{n}_{machine}" for n in range(glibc, 4, -1)]
    platforms += [f"{name}_{machine}" for name in ("manylinux2014", "manylinux2010", "manylinux1", "linux")]
    version = (3, minor)
    tags = {*cpython_tags(version, platforms=platforms), *compatible_tags(version, f"cp3{minor}", platforms)}
    offered = {(name, str(found)) for name, found, _, mine in WHEELS if tags & mine}
    assert [] == sorted(set(_pins(machine, minor)) - offered)


def test_openvino_is_asked_for_where_it_has_wheels_and_onnx_runtime_everywhere() -> None:
    """Its aarch64 wheels need glibc 2.35."""
    asked = {machine: {name for name, _ in _pins(machine, 10)} for machine in MACHINES}
    assert {"openvino", "onnxruntime"} <= asked["x86_64"]
    assert ({"onnxruntime"}, set()) == (asked["aarch64"] & {"onnxruntime"}, asked["aarch64"] & {"openvino"})
