"""What the tests of chips stand on: a stage whose model is an `.om`, on a fake server."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from backends.core.events import Outcome
from backends.core.stage_request import Request, Upstream
from tests.fakes.server.build import Server
from tests.inference.rig import Rig

SOC = "Ascend310P3"


def make_om(path: Path, model: Path, soc: str = SOC) -> Path:
    """An `.om` as the fake atc writes it."""
    data = model.read_bytes()
    path.write_bytes(f"IMOD{soc}\n{hashlib.sha256(data).hexdigest()}\n".encode() + data)
    return path


@dataclass
class ChipRig(Rig):
    """As `Rig`, with the target ascend and pyACL; its model is an `.om`."""

    server: Server | None = None

    def request(self, params: Mapping[str, Any], tuning: Mapping[str, Any] | None = None) -> Request:
        """With a compiled model upstream."""
        request = super().request({"target": "ascend", "runtime": "acl", **params}, tuning)
        compiled = Upstream(self.model.parent, Outcome(outputs={"om": self.model.name}))
        return replace(request, upstream={**request.upstream, "compile": compiled})

    def chips(self, devices: tuple[int, ...] | None = None, **limits: float) -> Outcome:
        """Infer in batches of ten on these chips, or on all."""
        return self.infer({}, {"devices": devices, "limits": limits, "sync_s": 0.02})

    def clean(self) -> None:
        """No process did wrong, and each that could let go did so."""
        assert self.server is not None
        for report in self.server.reports():
            assert [] == report["wrong"]
            assert [] == report["left"]

    def reasons(self, state: str) -> dict[str, str]:
        """Devices that entered a state, with the reason."""
        return {
            event.device: str(event.reason)
            for event in self.events
            if type(event).__name__ == "DeviceChanged" and event.state == state
        }
