"""Write the stories beside this file: synthetic recordings of runs, with figures such as a real HMDB51 run has.

No machine was measured for them. Run it with `python tests/stories/make.py`; the files are kept in the repository.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from backends.core import events as ev
from backends.core.client import RunSummary
from backends.core.codec import encode
from backends.core.messages import Line, line
from backends.core.plan import Plan, Stage
from backends.core.settings import DatasetSettings, InferSettings, ModelSettings, Settings
from backends.core.values import ClassScore, Confusion, DeviceSample, Report, VideoScore
from backends.pipeline import STAGES

HERE = Path(__file__).parent
BEGAN = 1_760_000_000.0
SOURCE = "synthetic: written by tests/stories/make.py, measured nowhere"
NO_ATC = line("the target is cpu: nothing to compile for a chip")
NO_FRAMES = line("preprocess decodes the videos: dataset.keep_frames is false")
NAMES = tuple(spec.name for spec in STAGES)
Beat = dict[str, Any]


def event(at: float, what: ev.Event) -> Beat:
    return {"at": round(at, 3), "event": json.loads(ev.to_json(what))}


def log(at: float, stage: str, *lines: str) -> Beat:
    return {"at": round(at, 3), "log": {"stage": stage, "text": "".join(f"{text}\n" for text in lines)}}


def plan(workspace: Path, *, ascend: bool) -> Plan:
    """The stages of the pipeline in the order of a run; on a server with chips no frames are kept."""
    skips = {"frames": NO_FRAMES} if ascend else {"compile": NO_ATC}
    stages = tuple(
        Stage(
            spec.name,
            f"backends.somewhere:{spec.name}",
            1,
            spec.after,
            skip=skips.get(spec.name),
            fresh=spec.name == "check",
            follows=("infer",) if spec.name == "verify" and ascend else (),
        )
        for spec in STAGES
    )
    return Plan(workspace, stages, parallel=2)


def head(workspace: str, settings: Settings, *, ascend: bool, runs: tuple[RunSummary, ...] = ()) -> Beat:
    return {
        "story": {
            "source": SOURCE,
            "workspace": workspace,
            "began": BEGAN,
            "settings": encode(settings),
            "plan": encode(plan(Path(workspace), ascend=ascend)),
            "runs": encode(runs),
        }
    }


def settings(*, ascend: bool) -> Settings:
    data = Path("/data/hmdb51")
    return Settings(
        dataset=DatasetSettings(
            videos=data / "videos", splits=data / "testTrainMulti_7030_splits", keep_frames=not ascend
        ),
        model=ModelSettings(checkpoint=Path("/data/models/r3d50_K_200ep.pth")),
        infer=InferSettings(target="ascend" if ascend else "cpu", devices=(0, 1)),
    )


class Teller:
    """Tells one stage after another; `at` is where the story stands."""

    def __init__(self) -> None:
        self.beats: list[Beat] = []
        self.at = 0.0
        self.random = random.Random(51)

    def say(self, what: ev.Event, at: float | None = None) -> None:
        self.beats.append(event(self.at if at is None else at, what))

    def begin(self, stage: str, reason: Line, pid: int, at: float | None = None) -> None:
        self.say(ev.StageStarted(stage, 1, reason, pid, f"{random.Random(stage).getrandbits(128):032x}"), at)

    def finish(self, stage: str, took: float, /, at: float | None = None, **figures: Any) -> None:
        aside = figures.pop("aside", ())
        outcome = ev.Outcome(figures, {}, "", tuple(aside), len(aside))
        self.say(ev.StageFinished(stage, 1, outcome, took), at)

    def sorted(self) -> Iterator[Beat]:
        yield from sorted(self.beats, key=lambda beat: beat["at"])

    def ticks(
        self, stage: str, begin: float, seconds: float, total: int, unit: str, every: float = 2.0, **more: Any
    ) -> None:
        rate = total / seconds
        for number in range(1, max(2, int(seconds / every))):
            wobble = 1 + 0.04 * math.sin(number * 1.7)
            done = min(total, int(rate * number * every))
            tick = ev.StageProgress(stage, done, total, unit, rate=round(rate * wobble, 2), **more)
            self.say(tick, begin + number * every)


ASIDE_FRAMES = (
    ev.Skipped(
        "50_FIRST_DATES_kick_f_cm_np1_ba_bad_12",
        line("it cannot be decoded: {reason}", reason="Invalid data found when processing input"),
    ),
    ev.Skipped("prelinger_LetsPlay1951_catch_u_nm_np1_fr_med_9", line("it holds no frames")),
)
FIRST = line("not built yet")


def model_side(tell: Teller, at: float, *, ascend: bool) -> None:
    """The checkpoint's way to the chip: 6.1 s export, 3.9 s simplify, 84 s atc."""
    tell.begin("export", FIRST, 4103, at)
    tell.beats.append(log(at + 1, "export", "checkpoint /data/models/r3d50_K_200ep.pth: epoch 200, arch resnet-50", "161 tensors, 46.3 M parameters", "writing model.onnx, opset 11, input 10x3x16x112x112, output 10x51"))  # fmt: skip  # noqa: E501
    tell.finish("export", 6.1, at + 6.1, arch="resnet-50", depth=50, classes=51, parameters=46_258_163, opset=11, nodes=124, bytes=185_170_944)  # fmt: skip  # noqa: E501
    tell.begin("simplify", FIRST, 4104, at + 6.2)
    tell.finish("simplify", 3.9, at + 10.1, nodes_before=124, nodes=122, bytes=185_151_872)
    if not ascend:
        return
    tell.begin("compile", FIRST, 4105, at + 10.2)
    tell.beats.append(log(at + 11, "compile", "atc --model=model_sim.onnx --framework=5 --output=model --soc_version=Ascend310P3 --input_shape=input:10,3,16,112,112", "ATC start working now, please wait for a moment.", "..."))  # fmt: skip  # noqa: E501
    tell.beats.append(log(at + 90, "compile", "ATC run success, welcome to the next use."))
    tell.finish(
        "compile",
        84.3,
        at + 94.5,
        soc_version="Ascend310P3",
        cann="8.0.RC3",
        precision_mode="force_fp16",
        bytes=94_371_840,
    )


def videos_side(tell: Teller, at: float) -> float:
    """The videos' way to clips without frames: 1 s annotate, 88 s preprocess. Gives its end."""
    tell.say(ev.StageSkipped("frames", NO_FRAMES), at)
    tell.begin("annotate", FIRST, 4106, at)
    tell.finish("annotate", 0.9, at + 0.9, classes=51, videos=5099, subset_videos=1530, missing=0)
    begin = at + 1.0
    tell.begin("preprocess", FIRST, 4107, begin)
    tell.ticks("preprocess", begin, 88.0, 1530, "videos", figures={"clips_per_s": 96.4})
    aside = ASIDE_FRAMES[0]
    tell.say(ev.ItemSetAside("preprocess", aside.item, aside.reason), begin + 41)
    tell.finish("preprocess", 88.0, begin + 88, videos=1529, clips=8486, clips_before_cut=9524, missing=0, bytes=5_108_293_632, clips_per_s=96.4, aside=(aside,))  # fmt: skip  # noqa: E501
    return begin + 88


def verify(tell: Teller, at: float, took: float, own: str, **figures: Any) -> float:
    """The exported, the simplified and what infer ran (`own`) against the checkpoint; gives its end."""
    tell.begin("verify", FIRST, 4108, at)
    measured: dict[str, Any] = {"clips": 10}
    for name, max_abs, cosine in (
        ("onnx", 2.62e-6, 0.9999999),
        ("sim", 2.86e-6, 0.9999999),
        (own, *figures.pop("found")),
    ):
        measured |= {f"{name}_max_abs": max_abs, f"{name}_cosine": cosine, f"{name}_top1": 1.0, f"{name}_passed": True}
    tell.finish("verify", took, at + took, **measured, **figures)
    return at + took


def data_side(tell: Teller, at: float) -> float:
    """The videos' way to clips: 161 s frames, 1 s annotate, 70 s preprocess. Gives its end."""
    tell.begin("frames", FIRST, 4102, at)
    tell.ticks("frames", at, 161.4, 6766, "videos", every=4.0)
    for number, aside in enumerate(ASIDE_FRAMES):
        tell.say(ev.ItemSetAside("frames", aside.item, aside.reason), at + 20 + 50 * number)
    end = at + 161.4
    tell.finish("frames", 161.4, end, classes=51, videos=6764, frames=632_635, aside=ASIDE_FRAMES)
    tell.begin("annotate", FIRST, 4106, end + 0.1)
    tell.finish("annotate", 0.9, end + 1.0, classes=51, videos=5098, subset_videos=1529, missing=1)
    begin = end + 1.1
    tell.begin("preprocess", FIRST, 4107, begin)
    tell.ticks("preprocess", begin, 70.0, 1529, "videos", figures={"clips_per_s": 121.2})
    name = ASIDE_FRAMES[1].item
    aside = (ev.Skipped(name, line("no frames in {folder}", folder=f"/data/hmdb51/frames/catch/{name}")),)
    tell.say(ev.ItemSetAside("preprocess", aside[0].item, aside[0].reason), begin + 41)
    tell.finish("preprocess", 70.0, begin + 70, videos=1529, clips=8486, clips_before_cut=9524, missing=1, bytes=5_108_293_632, clips_per_s=121.2, aside=aside)  # fmt: skip  # noqa: E501
    return begin + 70


def sample(at: float, device: str, name: str, busy: float, tell: Teller, *, ascend: bool) -> Beat:
    value = DeviceSample(
        device,
        0.0,
        name,
        health="OK" if ascend else None,
        power_w=round(15.6 + 0.36 * busy + tell.random.random() / 2, 1) if ascend else None,
        temp_c=round(44 + busy / 7 + tell.random.random(), 0),
        busy_percent=round(busy),
        memory_used_mb=int(1720 + busy * 16) if ascend else int(900 + 8 * busy),
        memory_total_mb=21_527 if ascend else 7_960,
        processes=1 if busy > 5 else 0,
    )
    body = encode(value)
    body.pop("at", None)
    return {"at": round(at, 3), "sample": body}


def infer(tell: Teller, at: float, total: int, rates: dict[str, float], name: str, *, ascend: bool) -> float:
    """Two devices pull from one queue; gives the end."""
    tell.begin("infer", FIRST, 4110, at)
    tell.beats.append(log(at, "infer", f"runtime {'acl' if ascend else 'openvino'}, batch 10, layout packed", *(f"{device}: model loaded in {1.2 + i / 10:.1f} s" for i, device in enumerate(rates))))  # fmt: skip  # noqa: E501
    for number, device in enumerate(rates):
        tell.say(ev.DeviceChanged(device, "loading", name, pid=4111 + number), at + 0.1)
        tell.say(ev.DeviceChanged(device, "working", name, pid=4111 + number), at + 1.4 + number / 10)
    whole = sum(rates.values())
    seconds = total / whole
    begin, step = at + 1.5, 0.5 if seconds < 60 else 4.0
    number = 0
    while (number := number + 1) * step < seconds:
        when = begin + number * step
        for place, (device, rate) in enumerate(rates.items()):
            now = rate * (1 + 0.03 * math.sin(number * (1.3 + place)) - (0.18 if number % 9 == 4 and place else 0))
            latency = 10_000 / rate
            tell.say(
                ev.DeviceProgress(
                    device,
                    int(rate * number * step) // 10 * 10,
                    round(now, 1),
                    round(rate * 0.996, 1),
                    round(latency * 0.97, 2),
                    round(latency * 1.06, 2),
                    round(0.965 - 0.01 * place + 0.01 * math.sin(number), 3),
                ),
                when + place / 100,
            )
            tell.beats.append(sample(when, device, name, 93 + 4 * math.sin(number), tell, ascend=ascend))
        done = sum(int(rate * number * step) // 10 * 10 for rate in rates.values())
        tell.beats.append(log(when, "infer", f"[{number * step:7.1f} s] batch {done // 10:4d}: {whole * (1 + 0.02 * math.sin(number)):.1f} clips/s, queue {6 + number % 3}"))  # fmt: skip  # noqa: E501
        tell.say(ev.StageProgress("infer", done, total, "clips", rate=round(whole * 0.995, 1)), when + 0.02)
    end = begin + seconds
    for place, (device, rate) in enumerate(rates.items()):
        share = round(total * rate / whole)
        clips = share if place == 0 else total - round(total * next(iter(rates.values())) / whole)
        tell.say(
            ev.DeviceProgress(device, clips, None, rate, round(9700 / rate, 2), round(10_600 / rate, 2), 0.962), end
        )
        tell.say(ev.DeviceChanged(device, "done", name), end)
        tell.beats.append(sample(end + 0.4, device, name, 0, tell, ascend=ascend))
    tell.finish("infer", seconds + 1.7, end + 0.2, runtime="acl" if ascend else "openvino", devices=len(rates), clips=total, slots=-(-total // 10) * 10, batches=-(-total // 10), seconds=round(seconds, 2), clips_per_s=round(total / seconds, 2))  # fmt: skip  # noqa: E501
    return end + 0.3


# fmt: off
LABELS = [
    "brush_hair", "cartwheel", "catch", "chew", "clap", "climb", "climb_stairs", "dive", "draw_sword",
    "dribble", "drink", "eat", "fall_floor", "fencing", "flic_flac", "golf", "handstand", "hit", "hug", "jump",
    "kick", "kick_ball", "kiss", "laugh", "pick", "pour", "pullup", "punch", "push", "pushup", "ride_bike",
    "ride_horse", "run", "shake_hands", "shoot_ball", "shoot_bow", "shoot_gun", "sit", "situp", "smile",
    "smoke", "somersault", "stand", "swing_baseball", "sword", "sword_exercise", "talk", "throw", "turn",
    "walk", "wave",
]
# fmt: on


def report(k: int = 5) -> Report:
    """A report over 1,529 videos, 952 of them right; the interval is Wilson's for these numbers."""
    rng = random.Random(6222)
    rights = [min(30, max(6, round(rng.gauss(18.7, 6)))) for _ in LABELS]
    while sum(rights) != 952:
        place = rng.randrange(len(rights))
        step = 1 if sum(rights) < 952 else -1
        rights[place] = min(30, max(5, rights[place] + step))
    videos = [30] * 50 + [29]
    rights[-1] = min(rights[-1], 29)
    classes = tuple(
        ClassScore(name, n, right, min(n, right + rng.randrange(4, 10)))
        for name, n, right in zip(LABELS, videos, rights, strict=True)
    )
    top1, topk = sum(c.top1 for c in classes), sum(c.topk for c in classes)
    p, n, z = top1 / 1529, 1529, 1.959964
    middle, spread = (p + z * z / 2 / n), z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    confusions = (
        Confusion("sword_exercise", "draw_sword", 9),
        Confusion("throw", "swing_baseball", 8),
        Confusion("wave", "clap", 7),
        Confusion("chew", "eat", 7),
        Confusion("smile", "laugh", 6),
        Confusion("run", "walk", 6),
        Confusion("punch", "hit", 5),
        Confusion("stand", "sit", 5),
    )
    worst = tuple(
        VideoScore(f"{film}_{label}_u_cm_np1_fr_med_{n}", label, wrong, 0.991 - n * 0.007, 0.004 + n * 0.002)
        for n, (film, label, wrong) in enumerate(
            [
                ("Veoh_Alpha_Dog_1", "wave", "clap"),
                ("BATMAN_BEGINS", "sword_exercise", "draw_sword"),
                ("KillerKlownsFromOuterSpace", "throw", "swing_baseball"),
                ("AmericanGangster", "chew", "eat"),
                ("Crash", "smile", "laugh"),
                ("Return_of_the_King_5", "run", "walk"),
            ]
        )
    )
    return Report(
        "validation", 1529, 1530, 1, 8486, k, top1 / n, topk / n, (middle - spread) / (1 + z * z / n),
        (middle + spread) / (1 + z * z / n), top1 / 1530, classes, confusions, worst, 0.6222,
    )  # fmt: skip


def tail(tell: Teller, at: float, verified: float, k: int = 5) -> None:
    """Score and evaluate from `at` on; verify ends at `verified`, and the run after all of them."""
    tell.begin("score", FIRST, 4120, at)
    tell.finish("score", 0.6, at + 0.6, videos=1529, clips=8486)
    tell.begin("evaluate", FIRST, 4121, at + 0.7)
    result = report(k)
    tell.finish("evaluate", 0.3, at + 1.0, top1=result.top1, topk=result.topk, k=k, videos=1529, videos_set_aside=1, clips=8486)  # fmt: skip  # noqa: E501
    tell.beats.append({"at": round(at + 1.0, 3), "report": encode(result)})
    tell.say(ev.RunFinished("done"), max(at + 1.0, verified) + 0.1)


def check(tell: Teller, *, ascend: bool) -> None:
    tell.begin("check", line("always runs"), 4101, 0.2)
    if not ascend:
        found = line("{free} free, about {due} needed", free="4.1 GB", due="5.2 GB")
        hint = line("free some space, or put the workspace on a larger disk")
        note = line("{name}: {found} ({hint})", name="disk", found=str(found), hint=str(hint))
        tell.say(ev.StageNote("check", note, "warning"), 0.5)
    tell.finish("check", 0.8, 1.0, met=14, warnings=0 if ascend else 1, missing=0)


def finished() -> list[Beat]:
    """A whole run on two chips of an Atlas 300I Pro class card."""
    tell = Teller()
    tell.say(ev.RunStarted("3", NAMES, 4100, "atlas01"), 0.0)
    check(tell, ascend=True)
    model_side(tell, 1.2, ascend=True)
    for when in range(0, 96, 6):
        tell.beats += [sample(when + 0.1, device, "310P3", 0, tell, ascend=True) for device in ("0", "1")]
    videos_side(tell, 1.2)
    verified = verify(tell, 96.1, 11.2, "om", found=(0.0121, 0.9999962), precision_mode="force_fp16")
    end = infer(tell, 95.9, 8486, {"0": 771.4, "1": 768.2}, "310P3", ascend=True)
    tail(tell, end, verified)
    earlier = (
        RunSummary("2", "failed", BEGAN - 5400, 301.0),
        RunSummary("1", "done", BEGAN - 90_000, 402.7, 0.6219, 1533.1),
    )
    return [head("/data/work/hmdb51-310p", settings(ascend=True), ascend=True, runs=earlier), *tell.sorted()]


def failed() -> list[Beat]:
    """A run on the CPU whose checkpoint does not fit; the videos' side goes on beside it and ends."""
    tell = Teller()
    tell.say(ev.RunStarted("1", NAMES, 4100, "devbox"), 0.0)
    check(tell, ascend=False)
    tell.say(ev.StageSkipped("compile", NO_ATC), 1.0)
    tell.begin("export", FIRST, 4103, 1.2)
    path = "/data/models/r3d50_K_200ep.pth"
    facts = {"key": "depth", "found": "50"}
    trouble = line("{path}: the checkpoint has {key} {found}, {wanted} was requested", path=path, wanted="34", **facts)
    text = "set {setting} = {value} in r3d.toml (--{option}={found}), or give another checkpoint"
    hint = line(text, setting="model.depth", option="model_depth", value="50", **facts)
    tell.beats.append(log(1.5, "export", "checkpoint /data/models/r3d50_K_200ep.pth: epoch 200, arch resnet-50", "Traceback (most recent call last):", '  File "backends/models/export.py", line 61, in run', "    network = fit(checkpoint, params)", f"backends.core.messages.InputError: {trouble}"))  # fmt: skip  # noqa: E501
    tell.say(ev.StageFailed("export", 1, trouble, hint, 1.9, 2), 3.1)
    data_side(tell, 1.2)
    end = 240.0
    for name in ("simplify", "infer", "verify", "score", "evaluate"):
        before = "infer" if name == "evaluate" else "export"
        tell.say(ev.StageBlocked(name, line("blocked by {stage}", stage=before)), end)
    tell.say(ev.RunFinished("failed", line("{stages} failed", stages="export")), end + 0.1)
    wrong = settings(ascend=False)
    wrong = replace(wrong, model=replace(wrong.model, depth=34))
    return [head("/home/li/hmdb51", wrong, ascend=False), *tell.sorted()]


def on_cpu() -> list[Beat]:
    """A run on two groups of cores; one is retired on the way, and nothing is published for it."""
    tell = Teller()
    tell.say(ev.RunStarted("1", NAMES, 4100, "devbox"), 0.0)
    check(tell, ascend=False)
    tell.say(ev.StageSkipped("compile", NO_ATC), 1.0)
    model_side(tell, 1.2, ascend=False)
    end = data_side(tell, 1.2)
    begin = end + 0.1
    end = infer(tell, begin, 8486, {"cpu:0": 5.61, "cpu:1": 5.58}, "2 cores", ascend=False)
    reason = line("no answer for {seconds:.0f} s", seconds=60.0)
    tell.say(ev.DeviceChanged("cpu:1", "retired", "2 cores", reason), begin + 400)
    text = "{device} is out of the run: {reason}"
    tell.say(ev.StageNote("infer", line(text, device="cpu:1", reason=str(reason)), "warning"), begin + 400)
    tell.beats = [beat for beat in tell.beats if not _of_the_dead(beat, begin + 400)]
    tail(tell, end, verify(tell, end + 0.1, 31.2, "openvino", found=(3.1e-6, 0.9999999)))
    return [head("/home/li/hmdb51", settings(ascend=False), ascend=False), *tell.sorted()]


def _of_the_dead(beat: Beat, since: float) -> bool:
    what = beat.get("event", {})
    ticks = what.get("kind") in ("DeviceProgress", "DeviceChanged") and what.get("device") == "cpu:1"
    return bool(ticks and beat["at"] > since) or (
        beat.get("sample", {}).get("device") == "cpu:1" and beat["at"] > since
    )


HOSTILE = (
    "[/data]\x1b]52;c;ZXZpbA==\x07\x1b[2J[@click=app.quit]x[/] \u202e"
    "gpj.exe\x9b31m\x00\ud800 视频\u0301\u0301\u0301\u0301"
)


def hostile() -> list[Beat]:
    """Foreign text of the worst kind in every place that may hold it."""
    tell = Teller()
    bad = line("{path}: " + "broken", path=HOSTILE)
    tell.say(ev.RunStarted(HOSTILE, (*NAMES, HOSTILE), 1, HOSTILE), 0.0)
    tell.begin("check", bad, 2, 0.1)
    tell.say(ev.StageNote("check", bad, "warning"), 0.2)
    tell.finish("check", 1.0, 1.0, **{HOSTILE: HOSTILE})
    tell.begin("frames", bad, 3, 1.1)
    tell.say(ev.StageProgress("frames", 3, 9, HOSTILE, 1.0, bad, {HOSTILE: HOSTILE}), 1.2)
    for number in range(40):
        tell.say(ev.ItemSetAside("frames", f"{number} {HOSTILE}", bad), 1.3)
    tell.begin("export", bad, 4, 1.4)
    tell.finish("export", 1.0, 1.5, arch=HOSTILE, depth=HOSTILE, classes=HOSTILE)
    tell.say(ev.StageFailed("simplify", 1, bad, bad, 1.0, 1), 1.6)
    tell.say(ev.DeviceChanged(HOSTILE, "working", HOSTILE, bad, 9), 1.7)
    tell.say(ev.DeviceProgress(HOSTILE, 10, 1.0), 1.8)
    tell.beats.append(
        {"at": 1.8, "sample": {"device": HOSTILE, "name": HOSTILE, "health": HOSTILE, "trouble": encode(bad)}}
    )
    for stage in (*NAMES, HOSTILE):
        tell.beats.append(
            log(1.9, stage, *(f"{number} {HOSTILE}" for number in range(60)), "a\rb\rc", "\x1b[31mred\x1b[0m")
        )
    score = VideoScore(HOSTILE, HOSTILE, HOSTILE, 0.9)
    value = Report(HOSTILE, 1, 1, 0, 1, 5, 0.5, 0.5, 0.1, 0.9, 0.5, (ClassScore(HOSTILE, 2, 1, 1),), (Confusion(HOSTILE, HOSTILE, 1),), (score,))  # fmt: skip  # noqa: E501
    tell.beats.append({"at": 2.0, "report": encode(value)})
    evil = Path(HOSTILE.replace("\x00", ""))
    mine = Settings(dataset=DatasetSettings(videos=evil), model=ModelSettings(checkpoint=evil))
    first = head(str(evil), mine, ascend=False)
    first["story"]["runs"] = encode((RunSummary(HOSTILE, HOSTILE, 1.0, 1.0),))
    return [first, *tell.sorted()]


def main() -> None:
    stories = {
        "new": [head("/home/li/hmdb51", settings(ascend=False), ascend=False)],
        "finished": finished(),
        "failed": failed(),
        "cpu": on_cpu(),
        "hostile": hostile(),
    }
    for name, beats in stories.items():
        text = "".join(json.dumps(beat, separators=(",", ":")) + "\n" for beat in beats)
        (HERE / f"{name}.jsonl").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
