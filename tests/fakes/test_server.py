"""The fake pyACL refuses wrong calls; a fake that accepted them would prove nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backends.ascend.npu_smi import parse_info
from tests.fakes.server.build import HERE, Server, make_server
from tests.inference.chips import make_om
from tests.inference.rig import make_model

HEAD = """
import acl, sys, os, threading, ctypes
om = sys.argv[1]
size = 10 * 3 * 16 * 112 * 112 * 4
def open_chip():
    acl.init(); acl.rt.set_device(0)
    return acl.rt.create_context(0)[0]
def loaded():
    mid, ret = acl.mdl.load_from_file(om)
    desc = acl.mdl.create_desc(); acl.mdl.get_desc(desc, mid)
    sets = []
    for bytes_ in (size, 200):
        ds = acl.mdl.create_dataset(); ptr, _ = acl.rt.malloc(bytes_, 0)
        buf = acl.create_data_buffer(ptr, bytes_); acl.mdl.add_dataset_buffer(ds, buf); sets.append((ds, ptr, buf))
    return mid, desc, sets
"""

COPYING = """
open_chip(); m, _, (i, o) = loaded(); h, _ = acl.rt.malloc_host(size); s, _ = acl.rt.create_stream()
acl.rt.memcpy_async(i[1], size, h, size, 1, s)
"""

WRONG = {
    "a call before init": ("acl.rt.set_device(0)", "acl.rt.set_device while pyACL is new"),
    "init twice": ("acl.init(); acl.init()", "acl.init while pyACL is ready"),
    "finalize twice": ("acl.init(); acl.finalize(); acl.finalize()", "acl.finalize while pyACL is over"),
    "no context": ("acl.init(); acl.rt.malloc(8, 0)", "this thread has no context"),
    "a thread without a context": (
        "open_chip(); t = threading.Thread(target=acl.rt.malloc, args=(8, 0)); t.start(); t.join()",
        "this thread has no context",
    ),
    "a double free": ("open_chip(); p, _ = acl.rt.malloc(8, 0); acl.rt.free(p); acl.rt.free(p)", "used after its end"),
    "foreign memory": ("open_chip(); p, _ = acl.rt.malloc(8, 0); acl.rt.memcpy(p, 8, 4096, 8, 1)", "is no host memory"),
    "too much": (
        "open_chip(); p, _ = acl.rt.malloc(8, 0); h, _ = acl.rt.malloc_host(16); acl.rt.memcpy(p, 8, h, 16, 1)",
        "16 of at most 8 bytes",
    ),
    "a wrong direction": (
        "open_chip(); p, _ = acl.rt.malloc(8, 0); h, _ = acl.rt.malloc_host(8); acl.rt.memcpy(p, 8, h, 8, 2)",
        "is no host memory",
    ),
    "a stream of another context": (
        "open_chip(); s, _ = acl.rt.create_stream(); acl.rt.create_context(0); acl.rt.synchronize_stream(s)",
        "a stream of another context",
    ),
    "a model in another context": (
        "open_chip(); m, _, (i, o) = loaded(); acl.rt.create_context(0); acl.mdl.execute(m, i[0], o[0])",
        "a model is executed in another context",
    ),
    "a wrong size": (
        "open_chip(); m, _, (i, o) = loaded(); acl.mdl.execute(m, o[0], o[0])",
        "a buffer of 200 bytes, not 24084480",
    ),
    "an execution before the copy is there": (
        COPYING + "acl.mdl.execute(m, i[0], o[0])",
        "while a copy to its memory is on its way",
    ),
    "host memory that changes under a copy": (
        COPYING + "ctypes.memset(h, 1, 8); acl.rt.synchronize_stream(s)",
        "host memory changed while it was copied",
    ),
    "memory freed before its buffer": (
        "open_chip(); m, _, (i, o) = loaded(); acl.rt.free(i[1])",
        "before its data buffer is destroyed",
    ),
    "a context destroyed under its stream": (
        "c = open_chip(); acl.rt.create_stream(); acl.rt.destroy_context(c)",
        "with a stream in it",
    ),
    "a fork": (
        "acl.init(); pid = os.fork(); acl.rt.set_device(0) if pid == 0 else os.waitpid(pid, 0); pid or os._exit(0)",
        "in a forked process",
    ),
}


@pytest.fixture(scope="module")
def om(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, compiled for 310P3."""
    folder = tmp_path_factory.mktemp("om")
    return make_om(folder / "m.om", make_model(folder / "m.onnx"))


def run(server: Server, om: Path, code: str) -> str:
    """Run a piece of code against the fake; what it printed."""
    environment = {**os.environ, **server.environment()}
    environment["PYTHONPATH"] = str(HERE / "site-packages")
    ended = subprocess.run(
        [sys.executable, "-c", HEAD + code, str(om)], env=environment, capture_output=True, text=True, check=True
    )
    return ended.stdout


@pytest.mark.parametrize("what", WRONG)
def test_wrong_calls_are_found(tmp_path: Path, om: Path, what: str) -> None:
    """Each stands in the process's report, whatever code it got."""
    code, words = WRONG[what]
    server = make_server(tmp_path / "server", 1, copy_s=0.2 if "copy" in what else 0)
    run(server, om, code)
    assert any(words in wrong for report in server.reports() for wrong in report["wrong"]), server.reports()


def test_what_is_left_at_the_end_is_listed(tmp_path: Path, om: Path) -> None:
    """Context, model, description, datasets, buffers, memory and the device itself."""
    server = make_server(tmp_path / "server", 1)
    run(server, om, "open_chip(); loaded(); acl.rt.malloc_host(8); acl.finalize()")
    (report,) = server.reports()
    kinds = {left.rpartition(" ")[0] for left in report["left"]}
    assert {
        "context",
        "model",
        "description",
        "dataset",
        "data buffer",
        "device memory",
        "host memory",
        "device",
    } == kinds


def test_faults_and_foreign_models_give_codes_only(tmp_path: Path, om: Path) -> None:
    """An .om for another chip, no such device, no memory: the caller is told, and did nothing wrong."""
    server = make_server(tmp_path / "server", 1, name="310", memory_mb=1)
    code = "open_chip(); print(acl.mdl.load_from_file(om)[1], acl.rt.set_device(9), acl.rt.malloc(2 << 20, 0)[1])"
    assert "545001 107001 207001" == run(server, om, code).strip()
    assert [[]] == [report["wrong"] for report in server.reports()]


@pytest.mark.parametrize("name", ["310", "310P3", "910B4"])
def test_npu_smi_prints_what_our_reader_reads(tmp_path: Path, name: str) -> None:
    """Ids, health, power where it is told, and the processes that have a chip open."""
    server = make_server(tmp_path / "server", 3, name=name, busy=[{"device": 2, "pid": 77, "name": "train"}])
    environment = {**os.environ, **server.environment()}
    text = subprocess.run(["npu-smi", "info"], env=environment, capture_output=True, text=True, check=True).stdout
    table = parse_info(text)
    assert [(1, 0), (1, 1), (4, 0)] == [(chip.npu_id, chip.chip_id) for chip in table.chips]
    assert [17.5, None, 17.5] == [chip.power_w for chip in table.chips]
    assert [f"Ascend{name}"] * 3 == [chip.soc_version for chip in table.chips]
    assert [(4, 0, 77, "train")] == [(p.npu_id, p.chip_id, p.pid, p.name) for p in table.processes]
    assert [0.0, 0.0, 93.0] == [chip.aicore_percent for chip in table.chips]
