"""A few videos with their annotation, and the jobs of the stages that work on them, on one machine or over servers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from backends.cluster.cluster_stages import ClusterTuning
from backends.core.codec import encode
from backends.core.events import Event, Outcome
from backends.core.settings import ClusterSettings
from backends.core.stage_request import Request, Upstream
from backends.data.annotation import OPEN_END, Annotation, Video, annotation_json
from backends.data.data_specs import PreprocessParams
from backends.data.frame_pool import VideoFrames, VideoTask, make_video
from backends.demo.demo_dataset import make_demo_videos
from backends.inference.infer import Params, Tuning
from backends.worker.job import Job

INFER = Params("cpu", "null", batch=4, options={"classes": 5, "latency_s": 0.1})


class Cluster:
    """Jobs over one set of videos; each `name` is a workspace of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_demo_videos(folder, 2, training_per_class=0)
        files = sorted((folder / "videos").rglob("*.avi"))
        videos = tuple(Video(path.stem, path.parent.name, "validation", 1, OPEN_END) for path in files)
        labels = tuple(sorted({video.label for video in videos}))
        (folder / "annotation.json").write_bytes(annotation_json(Annotation(labels, videos)))
        self.videos, self.is_of_frames = folder / "videos", False
        (folder / "model.onnx").write_bytes(b"a model that the null runtime does not read")
        self.count = len(videos)

    def job(self, stage: str, name: str, tuning: Any, said: list[Event] | None = None) -> Job:
        """The job of a stage; `tuning` as of one machine, or of a cluster."""
        folder = self.folder / name
        out = folder / stage
        out.mkdir(parents=True, exist_ok=True)
        (folder / "scratch").mkdir(exist_ok=True)
        upstream = {
            "annotate": Upstream(self.folder, Outcome(outputs={"annotation": "annotation.json"})),
            "simplify": Upstream(self.folder, Outcome(outputs={"onnx": "model.onnx"})),
        }
        if stage == "infer":
            outputs = {"store": "store", "labels": "labels.json"}
            if isinstance(tuning, ClusterTuning):
                outputs["spool"] = "spool"
            upstream["preprocess"] = Upstream(folder / "preprocess", Outcome(outputs=outputs))
        params: Mapping[str, Any] = encode(INFER if stage == "infer" else PreprocessParams())
        kind = "frames" if self.is_of_frames else "videos"
        inputs = {kind: self.videos} if stage == "preprocess" else {}
        request = Request(stage, "", 1, folder, out, folder / "scratch", params, encode(tuning), inputs, upstream)
        return Job(request, (said if said is not None else []).append)

    def tuning(self, address: str = "local:2", silent_s: float = 30.0, **settings: Any) -> ClusterTuning:
        """Of a run over servers."""
        cluster = ClusterSettings(address, scratch=self.folder, **settings)
        return ClusterTuning(cluster, self.videos, self.is_of_frames, infer=INFER, devices=Tuning((0,)), workers=1,
                             silent_s=silent_s, verify_clips=3)  # fmt: skip


class FramesCluster(Cluster):
    """The same of a folder of frames, in which one video is absent and one lacks a frame that is used."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        frames = folder / "frames"
        files = sorted(self.videos.rglob("*.avi"))
        for file in files:
            target, part = frames / file.parent.name / file.stem, folder / "part"
            made = make_video(VideoTask(file, file.parent.name, file.stem, part, target), lambda: None)
            assert isinstance(made, VideoFrames)
        shutil.rmtree(frames / files[0].parent.name / files[0].stem)
        (frames / files[-1].parent.name / files[-1].stem / "image_00002.jpg").unlink()
        self.videos, self.is_of_frames = frames, True


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    return Cluster(tmp_path_factory.mktemp("cluster"))
