"""The layer below Python: a device, a model, their words, and the faults that are asked for."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import numpy as np

from ais_bench.options import at_least

CLIP = 3 * 16 * 112 * 112 * 4
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
            head, _, text = file.read().partition(b"\n")
        about = json.loads(text) if head == b"FAKEOM" else {}
        if about.get("soc") != os.environ.get("FAKE_AIS_SOC", "Ascend310P3") or self.faults.due("load"):
            self.cpp.say(f"[ERROR] load model from file failed, model file is {path}")
            self.cpp.say("[WARN] Check failed:processModel->LoadModelFromFile(modelPath), ret:1")
            self.cpp.say("[WARN] no model had been loaded, unload failed")
            raise RuntimeError("[1][ACL: invalid parameter] ")
        self.batch, self.classes = about["batch"], about["classes"]
        self.size = self.batch * CLIP
        self.cpp.say(f"[INFO] load model {path} success")
        self.cpp.say("[INFO] create model description success")
        grid = np.arange(SAMPLES * self.classes, dtype=np.float32).reshape(SAMPLES, self.classes)
        self.weights = np.cos(grid)

    def execute(self, data: bytes, at: int, count: bool = True, name: str = "") -> np.ndarray:
        """Logits (batch, classes)."""
        if len(data) != self.size:
            raise AssertionError("the device layer was given another size")
        if count:
            self._fail(at)
        begun = time.monotonic()
        clips = np.frombuffer(data, "<f4").reshape(self.batch, -1)
        rows = clips[:, 7 :: clips.shape[1] // SAMPLES][:, :SAMPLES]
        logits = np.stack([(row[:, None] * self.weights).sum(0, dtype=np.float32) for row in rows])
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
