"""The layer below Python: a device, a model, their words, and the faults that are asked for."""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import sys
import time

import numpy as np

from ais_bench.options import at_least

SAMPLES = 64


class Cpp:
    """Prints of the compiled part: before E they wait in a buffer of their own where there is no terminal."""

    def __init__(self) -> None:
        self.held: list[str] = []

    def say(self, text: str) -> None:
        if at_least("E") or sys.stdout.isatty():
            print(text, flush=True)
        else:
            self.held.append(text)

    def flush(self) -> None:
        for text in self.held:
            print(text, flush=True)
        self.held.clear()


class Faults:
    """`kind`: open, load, execute, hang, kill, segv, nan, short, exit, no_summary, late_words, child_killed.

    `device`: the one that has it (absent: all). `at`: from which file of the process on. `once`: a file that marks
    that it has happened already. `file`: the one input that has it.
    """

    def __init__(self, device: int) -> None:
        faults = json.loads(os.environ.get("FAKE_AIS_FAULTS", "[]"))
        self.mine = [fault for fault in faults if fault.get("device") in (None, device)]

    def due(self, kind: str, at: int = 0, name: str = "") -> bool:
        for fault in self.mine:
            if fault["kind"] != kind or at < fault.get("at", 0) or fault.get("file", name) != name:
                continue
            if once := fault.get("once"):
                try:
                    os.close(os.open(once, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    continue
            return True
        return False


class Device:
    """One device with one model on it."""

    def __init__(self, device: int, model: str, cpp: Cpp, faults: Faults) -> None:
        self.cpp, self.faults, self.device = cpp, faults, device
        self.times: list[float] = []
        self.latency = float(os.environ.get("FAKE_AIS_LATENCY", "0.002"))
        cpp.say("[INFO] acl init success")
        there = [int(n) for n in os.environ.get("FAKE_AIS_DEVICES", "0,1,2,3").split(",")]
        if device not in there or faults.due("open"):
            cpp.say(f"[ERROR] acl open device {device} failed")
            raise RuntimeError("[107001][Error code unknown] ")
        cpp.say(f"[INFO] open device {device} success")
        if at_least("E"):
            cpp.say("[INFO] create new context")
        self._load(model)

    def _load(self, path: str) -> None:
        with open(path, "rb") as file:
            data = file.read()
        soc, self.compute, shape, itemsize = _small(data) if data.startswith(b"FAKEOM\n") else _compiled(data)
        if soc != os.environ.get("FAKE_AIS_SOC", "Ascend310P3") or self.faults.due("load"):
            self.cpp.say(f"[ERROR] load model from file failed, model file is {path}")
            self.cpp.say("[WARN] Check failed:processModel->LoadModelFromFile(modelPath), ret:1")
            self.cpp.say("[WARN] no model had been loaded, unload failed")
            raise RuntimeError("[1][ACL: invalid parameter] ")
        self.shape, self.batch = shape, shape[0]
        self.size = math.prod(shape) * itemsize
        self.cpp.say(f"[INFO] load model {path} success")
        self.cpp.say("[INFO] create model description success")

    def execute(self, data: bytes, at: int, count: bool = True, name: str = "") -> np.ndarray:
        """Logits (batch, classes)."""
        if len(data) != self.size:
            raise AssertionError("the device layer was given another size")
        if count:
            self._fail(at)
        begun = time.monotonic()
        logits = self.compute(data)
        time.sleep(max(0.0, self.latency - (time.monotonic() - begun)))
        if count:
            self.times.append((time.monotonic() - begun) * 1000)
        return logits * np.float32("nan") if count and self.faults.due("nan", at, name) else logits

    def _fail(self, at: int) -> None:
        if self.faults.due("hang", at):
            while True:
                time.sleep(60)
        for kind, number in (("kill", signal.SIGKILL), ("segv", signal.SIGSEGV)):
            if self.faults.due(kind, at):
                os.kill(os.getpid(), number)
        if self.faults.due("child_killed", at):  # as a parent whose worker was killed: it waits for ever
            if os.fork() == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            while True:
                time.sleep(60)
        if self.faults.due("execute", at):
            if at_least("E"):
                self.cpp.say("[ACL ERROR] EZ9999: [PID: 1] aicore exception, error code is 507015")
            for text in ("execute model failed, modelId is 1", "acl execute failed:1", "execute Infer failed ret:-1"):
                self.cpp.say(f"[ERROR] {text}")
            raise RuntimeError("[-1][ACL: general failure] ")

    def close(self) -> None:
        """The closing lines, which come after failures too."""
        if hasattr(self, "batch"):
            self.cpp.say("[INFO] unload model success, model Id is 1")
        if not at_least("D"):
            self.cpp.say("[INFO] end to destroy context")
        self.cpp.say(f"[INFO] end to reset device {'is ' if not at_least('D') else ''}{self.device}")
        self.cpp.say("[INFO] end to finalize acl")


def _small(data: bytes):
    """A model of this stand-in's own: the null runtime's sums over clips."""
    about = json.loads(data.partition(b"\n")[2])
    weights = np.cos(np.arange(SAMPLES * about["classes"], dtype=np.float32).reshape(SAMPLES, about["classes"]))

    kind = np.dtype(about.get("kind", "<f4"))
    mean, std = (np.array(v, np.float32) for v in ((0.4345, 0.4051, 0.3775), (0.2768, 0.2713, 0.2737)))

    def compute(data: bytes) -> np.ndarray:
        clips = np.frombuffer(data, kind)
        if kind == np.uint8:
            clips = clips.reshape(-1, 3, 16, 112, 112).astype(np.float32) / np.float32(255)
            clips = (clips - mean[:, None, None, None]) / std[:, None, None, None]
        clips = clips.reshape(about["batch"], -1)
        rows = clips[:, 7 :: clips.shape[1] // SAMPLES][:, :SAMPLES]
        return np.stack([(row[:, None] * weights).sum(0, dtype=np.float32) for row in rows])

    return about["soc"], compute, (about["batch"], 3, 16, 112, 112), kind.itemsize


def _compiled(data: bytes):
    """What the stand-in for atc writes: chip, digest, and the ONNX file to compute with."""
    head, _, rest = data.partition(b"\n")
    digest, _, model = rest.partition(b"\n")
    if not head.startswith(b"IMOD") or digest != hashlib.sha256(model).hexdigest().encode():
        return "no model", None, (1,), 1
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (end,) = session.get_inputs()
    kind = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}[end.type]

    def compute(data: bytes) -> np.ndarray:
        return session.run(None, {end.name: np.frombuffer(data, kind).reshape(end.shape)})[0]

    return head[4:].decode(), compute, tuple(end.shape), np.dtype(kind).itemsize
