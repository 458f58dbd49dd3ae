"""Inference through pyACL, on a fake server that watches every call."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from backends.core.events import DeviceChanged
from backends.core.messages import InputError, NeedError, StageError, Stopped
from backends.core.processes import leftovers
from backends.device.clip_format import ClipHeader
from backends.models.graph import with_uint8_input
from tests.fakes.server.build import make_server
from tests.inference.chips import SOC, ChipRig, make_om
from tests.inference.rig import CLASSES, CLIPS, Rig, make_model, obey_after


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, store: Path, model: Path) -> dict[int, bytes]:
    """The scores of a run on the CPU, by ONNX Runtime."""
    rig = Rig(tmp_path_factory.mktemp("cpu") / "stage", store, model)
    rig.infer({"runtime": "onnxruntime"})
    return rig.rows


@pytest.fixture
def make(tmp_path: Path, store: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ChipRig]:
    """Builds a stage on a server of so many chips; afterwards no process of it is left."""

    def made(chips: int = 2, *, onnx_model: Path = model, **values: Any) -> ChipRig:
        server = make_server(tmp_path / "server", chips, **values)
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        om = make_om(tmp_path / "model.om", onnx_model)
        return ChipRig(tmp_path / "stage", store, om, server=server)

    yield made
    assert [] == list(leftovers(tmp_path / "stage"))


def same(expected: dict[int, bytes], found: dict[int, bytes]) -> None:
    """Every clip has the scores of the CPU run, within 1e-6."""
    assert expected.keys() == found.keys()
    for number, row in expected.items():
        scores = (np.frombuffer(data, "<f4") for data in (row, found[number]))
        np.testing.assert_allclose(*scores, rtol=0, atol=1e-6)


@pytest.mark.parametrize("chips", [1, 4, 8])
def test_chips_give_the_scores_of_the_cpu(make, expected, chips: int) -> None:
    """However many chips: every clip once, pyACL found behind set_env.sh, everything let go of."""
    rig = make(chips)
    outcome = rig.chips()
    same(expected, rig.rows)
    assert ("acl", f"acl CANN 8.0.RC2 {SOC}") == (outcome.figures["runtime"], outcome.figures["runtime_version"])
    assert CLIPS == sum(rig.device_clips().values())
    assert {f"npu:{n}" for n in range(chips)} == set(rig.device_clips())
    assert {"310P3"} == {e.name for e in rig.events if isinstance(e, DeviceChanged)}
    rig.clean()
    ready = {event.pid for event in rig.events if isinstance(event, DeviceChanged) and event.state == "ready"}
    assert ready
    for pid in ready:  # one that was still loading when the last clip was done is ended by the kernel
        assert "over" == rig.server.report(pid)["phase"]


def test_an_older_cann_is_served_too(make, expected) -> None:
    """Where pyACL has numpy_to_ptr and no bytes_to_ptr, buffers are seen through it."""
    rig = make(1, old=True)
    rig.chips()
    same(expected, rig.rows)
    rig.clean()


FAULTS = {
    "execute": ({"call": "mdl.execute", "at": 2, "code": 507012}, "mdl.execute failed (507012): the chip did not"),
    "lost": ({"call": "mdl.execute", "at": 2, "code": 507010}, "mdl.execute failed (507010): the chip lost its heart"),
    "copy": ({"call": "rt.memcpy_async", "at": 2, "code": 507901}, "rt.memcpy_async failed (507901): the channel"),
    "memory": ({"call": "rt.malloc", "code": 207001}, "rt.malloc failed (207001): the chip's memory is exhausted"),
    "set-up": ({"call": "rt.set_device", "code": 507033}, "rt.set_device failed (507033): the chip cannot be set up"),
    "twice": ({"call": "mdl.execute", "code": 507015}, "mdl.execute failed (507015): an AI Core ran into"),
    "end": ({"call": "mdl.execute", "at": 2, "exit": 7}, "its process ended with exit code 7"),
    "hang": ({"call": "mdl.execute", "at": 2, "hang": True}, "no answer for"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_chip_that_fails_is_retired_and_the_run_goes_on(make, expected, fault: str) -> None:
    """Its code, cause and fix are said, its batch goes to the other chip, no clip is lost or counted twice."""
    what, words = FAULTS[fault]
    slow = fault in ("memory", "set-up", "twice")  # the other chip must not be done before this one has come up
    rig = make(2, faults=[{"device": 1, **what}], latency_s=2.5 if slow else 0.3)
    rig.chips(answer_s=0.0 if slow else 2.0)
    same(expected, rig.rows)
    reasons = rig.reasons("retired")
    assert ["npu:1"] == list(reasons)
    assert words in reasons["npu:1"]
    assert any(f"npu:1 is out of the run: {words}" in note for note in rig.notes)
    rig.clean()


def test_a_chip_that_hangs_while_it_loads_is_given_up(make, expected) -> None:
    """Past its deadline it is killed; as no other is left, it gets a new process."""
    rig = make(1, faults=[{"call": "mdl.load_from_file", "hang": True, "once": True}])
    rig.chips(load_s=6.0)
    same(expected, rig.rows)
    assert re.match(r"no answer for \d+ s", rig.reasons("retired")["npu:0"])
    assert any("no device was left: npu:0 is started again" in note for note in rig.notes)


def test_a_fault_that_may_pass_gets_one_new_process(make, expected) -> None:
    """After 507015 the chip starts again at once, and is not retired when it goes well."""
    rig = make(1, faults=[{"call": "mdl.execute", "at": 2, "code": 507015, "once": True}])
    rig.chips()
    same(expected, rig.rows)
    assert {} == rig.reasons("retired")
    assert 2 == rig.states("npu:0").count("loading")
    assert any("npu:0 failed and gets a new process: mdl.execute failed (507015)" in note for note in rig.notes)
    assert any("suspect that chip" in note for note in rig.notes)
    assert ["over", "over"] == [report["phase"] for report in rig.server.reports()]
    rig.clean()


def test_an_om_for_another_chip_is_refused_by_that_chip_alone(make, expected) -> None:
    """On a server of two kinds the other chips go on; the fix names the setting."""
    rig = make(3)
    chips = rig.server.config["chips"]
    chips[2] |= {"name": "310", "soc": "Ascend310"}
    rig.server.change(chips=chips)
    rig.chips()
    same(expected, rig.rows)
    assert ["npu:2"] == list(rig.reasons("retired"))
    assert "mdl.load_from_file failed (545001): the .om cannot be loaded" in rig.reasons("retired")["npu:2"]
    assert any("compile.soc_version" in note for note in rig.notes)
    assert 1 == rig.states("npu:2").count("loading")
    rig.clean()


def test_where_no_chip_can_do_it_the_stage_says_why(make) -> None:
    """A damaged .om on every chip: the code, the cause and the fix, once each chip has refused once."""
    rig = make(2)
    rig.model.write_bytes(rig.model.read_bytes()[:-100])
    with pytest.raises(StageError, match=r"no device is left: .*\(145006\): the \.om cannot be loaded") as caught:
        rig.chips()
    assert "compile.soc_version" in str(caught.value.hint)
    assert [1, 1] == [rig.states(f"npu:{n}").count("loading") for n in range(2)]
    rig.clean()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch": 4}, "the model's input is input float32 4x3x16x112x112, not input float32 10x3x16x112x112"),
        ({"kind": 10}, "the model's input is input float16 10x3x16x112x112"),
    ],
    ids=["batch", "type"],
)
def test_a_model_of_another_form_ends_the_stage_at_once(make, tmp_path: Path, change, words: str) -> None:
    """No chip would take it: one line with what it has and what was wanted, and everything let go of."""
    rig = make(1, onnx_model=make_model(tmp_path / "other.onnx", **change))
    with pytest.raises(InputError) as caught:
        rig.chips()
    assert words in str(caught.value.line)
    rig.clean()


def test_a_model_that_takes_bytes_gives_the_same_scores(make, expected, tmp_path: Path, model: Path) -> None:
    """The clips' own bytes travel, a quarter of the floats', and the scores are those of the float model to the bit."""
    header = ClipHeader()
    made = with_uint8_input(onnx.load(str(model)), header.mean, header.std)
    onnx.save(made, str(tmp_path / "bytes.onnx"))
    rig = make(2, onnx_model=tmp_path / "bytes.onnx", trace=True)
    rig.chips()
    assert expected == rig.rows
    assert {10 * 3 * 16 * 112 * 112} == {row["bytes"] for row in rig.server.trace() if row["what"] == "copy"}
    rig.clean()


def test_a_model_of_half_precision_scores_is_read(make, expected, tmp_path: Path, model: Path) -> None:
    """atc's --output_type=FP16 gives two bytes a score; the rows hold float32."""
    from onnx import helper

    halved = onnx.load(str(model))
    halved.graph.node[-1].output[0] = "floats"
    halved.graph.node.append(helper.make_node("Cast", ["floats"], ["output"], to=onnx.TensorProto.FLOAT16))
    halved.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    onnx.save(halved, str(tmp_path / "half.onnx"))
    rig = make(1, onnx_model=tmp_path / "half.onnx")
    rig.chips()
    for number, row in rig.rows.items():
        half = np.frombuffer(expected[number], "<f4").astype("<f2").astype("<f4")
        assert half.tobytes() == row
        assert CLASSES == len(half)


def test_the_next_batch_travels_while_one_is_computed(make) -> None:
    """Most of the time that copies to the chip take lies within executions; they are another thread's."""
    rig = make(1, trace=True, latency_s=0.4, copy_s=0.05)
    rig.chips()
    rows = rig.server.trace()
    copies, runs = ([row for row in rows if row["what"] == what][1:] for what in ("copy", "execute"))  # 0: the warm-up
    both = sum(
        max(0.0, min(copy["end"], run["end"]) - max(copy["begin"], run["begin"]))
        for copy, run in itertools.product(copies, runs)
    )
    assert both > 0.5 * sum(copy["end"] - copy["begin"] for copy in copies[1:])
    assert {row["thread"] for row in copies}.isdisjoint(row["thread"] for row in runs)
    rig.clean()


def test_busy_and_ill_chips_are_left_out_with_their_reason(make, expected) -> None:
    """Each stands in the journal as out; the others do the work."""
    rig = make(4, busy=[{"device": 1, "pid": 4242, "name": "python3"}])
    chips = rig.server.config["chips"]
    chips[2]["health"] = "Alarm"
    rig.server.change(chips=chips)
    rig.chips()
    same(expected, rig.rows)
    assert {"npu:1": "busy: python3", "npu:2": "npu-smi reports Alarm"} == rig.reasons("out")
    assert {"npu:0", "npu:3"} == {f"npu:{n}" for n in range(4) if "loading" in rig.states(f"npu:{n}")}


def test_chips_that_are_named_are_taken_as_they_are(make, expected) -> None:
    """By their logic ids, busy or not, and no other."""
    rig = make(4, busy=[{"device": 3, "pid": 4242, "name": "python3"}])
    rig.chips((1, 3))
    same(expected, rig.rows)
    assert {"npu:0": "not among infer.devices", "npu:2": "not among infer.devices"} == rig.reasons("out")


def test_a_chip_without_a_device_column_is_found_by_its_mapping(make, expected, monkeypatch) -> None:
    """A 910's logic id comes from `npu-smi info -m`; what a scheduler hides cannot be opened."""
    rig = make(3, name="910B4")
    rig.model.write_bytes(b"IMODAscend910B4\n" + rig.model.read_bytes().split(b"\n", 1)[1])
    monkeypatch.setenv("ASCEND_RT_VISIBLE_DEVICES", "0,2")
    rig.chips()
    same(expected, rig.rows)
    assert {"npu:1": "ASCEND_RT_VISIBLE_DEVICES does not show it"} == rig.reasons("out")


def test_no_free_chip_is_a_need(make, monkeypatch) -> None:
    """With the reason of each; and a chip that is not there is named with those that are."""
    monkeypatch.setattr("backends.inference.infer.AGAIN_S", 0.0)
    rig = make(1, busy=[{"device": 0, "pid": 4242, "name": "train.py"}])
    with pytest.raises(NeedError, match=r"no chip is free: npu:0: busy: train\.py"):
        rig.chips()
    with pytest.raises(InputError, match="there is no chip with the device id 5"):
        rig.chips((5,))
    rig.server.change(smi="fail")
    with pytest.raises(NeedError, match="no chips: this user is not in the group"):
        rig.chips()


def test_a_chip_is_taken_out_and_put_back(make, expected) -> None:
    """Taken out it lets go of everything; put back it opens the model anew."""
    rig = make(2, latency_s=0.4)

    def watch(event: object, job: Any) -> None:
        if isinstance(event, DeviceChanged) and event.device == "npu:1" and event.state == "ready":
            obey_after(job, 0.3, command="device", id="npu:1", take="out")
        if isinstance(event, DeviceChanged) and event.device == "npu:1" and event.state == "out":
            rig.watch = None
            obey_after(job, 0.0, command="device", id="npu:1", take="in")

    rig.watch = watch
    rig.chips()
    same(expected, rig.rows)
    assert 2 == rig.states("npu:1").count("loading")
    assert "out" in rig.states("npu:1")
    rig.clean()


def test_a_chip_that_was_left_out_may_be_put_in(make, expected) -> None:
    """The user knows better than a process table."""
    rig = make(2, latency_s=0.3, busy=[{"device": 1, "pid": 4242, "name": "python3"}])

    def watch(event: object, job: Any) -> None:
        if isinstance(event, DeviceChanged) and (event.device, event.state) == ("npu:0", "ready"):
            rig.watch = None
            obey_after(job, 0.0, command="device", id="npu:1", take="in")

    rig.watch = watch
    rig.chips()
    same(expected, rig.rows)
    assert "loading" in rig.states("npu:1")


def test_a_stop_lets_go_of_every_chip(make) -> None:
    """What is in flight is finished, and each process ends in order."""
    rig = make(2, latency_s=0.2)

    def watch(event: object, job: Any) -> None:
        if isinstance(event, DeviceChanged) and event.state == "working":
            rig.watch = None
            obey_after(job, 0.0, command="stop")

    rig.watch = watch
    with pytest.raises(Stopped):
        rig.chips()
    rig.clean()
    assert {"over"} == {report["phase"] for report in rig.server.reports()}


def test_everything_is_let_go_of_in_the_documented_order(make) -> None:
    """Also where the chip fails in the middle: as many releases as creations, by the fake's own count."""
    rig = make(1, faults=[{"device": 0, "call": "mdl.execute", "at": 3, "code": 507012, "once": True}])
    rig.chips()
    for report in rig.server.reports():
        calls = report["calls"]
        assert "over" == report["phase"]
        for made, gone in (
            ("rt.malloc", "rt.free"),
            ("rt.malloc_host", "rt.free_host"),
            ("create_data_buffer", "destroy_data_buffer"),
            ("mdl.create_dataset", "mdl.destroy_dataset"),
            ("rt.create_stream", "rt.destroy_stream"),
            ("mdl.load_from_file", "mdl.unload"),
            ("rt.create_context", "rt.destroy_context"),
            ("rt.set_device", "rt.reset_device"),
            ("init", "finalize"),
        ):
            assert calls[made] == calls[gone], made
    rig.clean()
