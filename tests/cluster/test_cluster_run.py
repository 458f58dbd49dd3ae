"""The head's side of a run: which servers may take part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from backends.ascend.compile import chip_of
from backends.cluster.cluster_run import ClusterRun, differs
from backends.cluster.shard_leases import DEPTH
from backends.cluster.shard_protocol import (
    Hello,
    ModelFile,
    Open,
    ServerSetup,
    ShardAnswer,
    ShardOrder,
    ShardVideo,
    VideoResult,
    WireReader,
    to_frame,
)
from backends.cluster.spool import Spool
from backends.core.events import DeviceChanged, Event
from backends.core.messages import line
from backends.core.stage_request import Request
from backends.data.annotation import Video
from backends.data.data_specs import PreprocessParams
from backends.monitor.cpu_groups import versions
from backends.worker.job import Job

HELLO = Hello(versions(())["r3d-tui"], runtime="acl", cann="8.0", soc="Ascend310P3", sees_videos=True)


class Answering:
    """A carrier whose servers introduce themselves in turn, and answer each shard at once with videos without clips."""

    def __init__(self, **hellos: Hello) -> None:
        self.hellos, self.given = hellos, list[tuple[str, object]]()
        self.result: Callable[[Video], VideoResult] = lambda video: VideoResult(video, reason=line("no clips"))
        self.seen: Callable[[int], None] = lambda orders: None
        """Called with the number of shards that were given, at each of them."""
        self._unsent: list[tuple[str, bytes | None]] = []

    def servers(self) -> tuple[str, ...]:
        return tuple(self.hellos)

    def start(self, server: str) -> None:
        self._unsent.append((server, to_frame(self.hellos[server])))

    def give(self, server: str, data: bytes) -> None:
        for message, _ in WireReader().feed(data):
            self.given.append((server, message))
            if isinstance(message, ShardOrder):
                results = tuple(self.result(one.video) for one in message.videos)
                self._unsent.append((server, to_frame(ShardAnswer(message.lease, results, 0))))
                self.seen(sum(isinstance(one, ShardOrder) for _, one in self.given))

    def poll(self, seconds: float) -> list[tuple[str, bytes | None]]:
        unsent, self._unsent = self._unsent, []
        return unsent

    def kill(self, server: str) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing runs."""


def run(folder: Path, carrier: Answering, said: list[Event], videos: int) -> None:
    """A shard a video."""
    model = ModelFile(folder / "model.om", 0, "", soc_version="Ascend310P3")
    setup = ServerSetup("", PreprocessParams(), model, "ascend", "acl", 4, folder, folder)
    job = Job(Request("preprocess", "", 1, folder, folder, folder), said.append)
    numbers = range(videos)
    wanted = [ShardVideo(folder / f"{n}.avi", Video(str(n), "a", "validation", 1, 17)) for n in numbers]
    ClusterRun(job, carrier, Spool(folder / "spool"), setup, (), 1).run(wanted)


def test_at_any_time_two_shards_a_server_are_not_durable(tmp_path: Path) -> None:
    """So that a kill of the head costs no more: an answer is on the disk before the next shard is given."""
    carrier, beyond = Answering(one=HELLO, two=HELLO), list[int]()
    carrier.seen = lambda orders: beyond.append(orders - len(list((tmp_path / "spool").glob("*.shard"))))
    run(tmp_path, carrier, [], videos=20)
    assert DEPTH * 2 == max(beyond)


def test_what_a_server_missed_and_the_head_sees_is_tried_again(tmp_path: Path) -> None:
    """Its disk of the frames may have been away; what the head misses too stays skipped."""
    (tmp_path / "0").touch()
    carrier = Answering(one=HELLO)
    carrier.result = lambda video: VideoResult(video, reason=line("no frames"), missing=str(tmp_path / video.id))
    run(tmp_path, carrier, [], videos=2)
    assert ["1"] == [name for name in "01" if name in Spool(tmp_path / "spool")]


def test_the_chips_that_the_model_is_compiled_for_decide_which_servers_fit(tmp_path: Path) -> None:
    """Not which server answers first: one of another kind is left out with the reason, the others open the model."""
    said = list[Event]()
    carrier = Answering(big=replace(HELLO, soc="Ascend910B4"), small=HELLO)
    run(tmp_path, carrier, said, videos=1)
    assert {"small"} == {server for server, message in carrier.given if isinstance(message, Open)}
    reasons = [str(one.reason) for one in said if isinstance(one, DeviceChanged) and one.device == "big" and one.reason]
    assert reasons
    assert "its soc_version is Ascend910B4, the model is compiled for Ascend310P3" in reasons[-1]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({}, ""),
        ({"soc": ""}, "its soc_version is ?, the others have Ascend310P3"),
        ({"soc": "Ascend310P3, Ascend910B4"}, "the model is compiled for Ascend310P3"),
        ({"cann": "8.1"}, "its CANN is 8.1, the others have 8.0"),
        ({"runtime": "openvino"}, "its runtime is openvino, the others have acl"),
        ({"version": "0.0"}, "it has r3d-tui 0.0, the head has"),
        ({"sees_videos": False}, "it does not see /a.avi"),
    ],
)
def test_a_server_that_differs_is_left_out_with_the_reason(found: dict[str, object], reason: str) -> None:
    """From the model's chips, from the first server that fitted, or from the head."""
    given = differs(replace(HELLO, **found), HELLO, Path("/a.avi"), "Ascend310P3")
    assert reason in str(given or "")
    assert bool(reason) == (given is not None)


def test_a_compiled_model_names_its_chips(tmp_path: Path) -> None:
    """By the note that the compile stage leaves beside it, else by atc's command line in the file."""
    om = tmp_path / "model.om"
    om.write_bytes(b"IMOD..atc_cmdline atc --model=a --soc_version=Ascend310P3 --output=b")
    assert "Ascend310P3" == chip_of(om)
    (tmp_path / "made.json").write_text('{"soc_version": "Ascend910B4", "bytes": 4, "sha256": ""}')
    assert "Ascend910B4" == chip_of(om)
