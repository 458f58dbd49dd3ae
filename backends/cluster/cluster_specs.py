"""The plan over several servers: preprocess and infer done by them, with the cache keys of one machine.

Where a stage is computed decides nothing of what it gives, so the settings of the cluster are tuning. It imports none
of the work; `pipeline` calls it.
"""

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from backends.core.codec import encode
from backends.core.messages import InputError, Line, line
from backends.core.plan import Reads, Stage
from backends.core.settings import Settings

MODEL = {"simplify": Reads(("onnx",), in_key=False), "compile": Reads(("om",), in_key=False)}
"""Read by preprocess there, which infers in the same pass."""


def cluster_settings(settings: Settings) -> Settings:
    """The settings as the servers work: no frames on disk. InputError where they cannot do what is set."""
    if not settings.cluster.address:
        return settings
    dataset, infer = settings.dataset, settings.infer
    wrong: dict[str, str | Line] = {}
    if dataset.frames is not None and not dataset.frames.is_dir():
        wrong["dataset.frames"] = line("a folder of frames that every server sees")
    elif dataset.frames is None and not _is_of_videos(dataset.videos):
        wrong["dataset.videos"] = line("a folder of videos that every server sees; unpack archives there")
    if infer.layout != "packed":
        wrong["infer.layout"] = "packed"
    if infer.runtime in ("ais_bench", "cann"):
        wrong["infer.runtime"] = "auto"
    if infer.loops != 1:
        wrong["infer.loops"] = "1"
    for key, needed in wrong.items():
        raise InputError(
            "several servers need {key} to be {needed}", hint="change it in r3d.toml", key=key, needed=needed
        )
    return replace(settings, dataset=replace(dataset, keep_frames=False))


def _is_of_videos(root: Path | None) -> bool:
    from backends.data.archives import find_archives

    return root is not None and root.is_dir() and not find_archives(root)


def over_servers(settings: Settings, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages of a plan whose preprocess and infer are done by the servers of `[cluster]`; else as they are."""
    if not settings.cluster.address:
        return stages
    by_name = {stage.name: stage for stage in stages}
    preprocess, infer = by_name["preprocess"], by_name["infer"]
    verify_clips = 0 if by_name["verify"].skip is not None else settings.verify.clips
    tuning: dict[str, Any] = {
        "cluster": encode(settings.cluster),
        "root": encode(settings.dataset.frames or settings.dataset.videos),
        "is_of_frames": settings.dataset.frames is not None,
        "clips": preprocess.params,
        "infer": infer.params,
        "devices": infer.tuning,
        "verify_clips": verify_clips,
        "workers": settings.preprocess.workers,
    }
    reads = {**preprocess.reads, **MODEL}
    by_name["preprocess"] = replace(
        preprocess,
        entry="backends.cluster.cluster_stages:preprocess",
        tuning=tuning,
        after=tuple(reads),
        reads=reads,
        grows={},
        needs=(*preprocess.needs, *infer.needs),
    )
    rows = Reads(("store", "labels", "bins", "spool"))
    by_name["infer"] = replace(
        infer,
        entry="backends.cluster.cluster_stages:infer",
        tuning=tuning,
        follows=(),
        reads={**infer.reads, "preprocess": rows},
    )
    ordered = [name for name in by_name if name != "preprocess"]
    ordered.insert(ordered.index("infer"), "preprocess")  # behind the model that it reads
    return tuple(by_name[name] for name in ordered)
