"""What lies between the head and its servers, as a few verbs. Carriers move bytes and know no shards.

`local_carrier` plays servers as processes of this machine, `ray_carrier` has Ray place them.
"""

from typing import Protocol


class Carrier(Protocol):
    """Bytes to and from the servers of a run, by their names. Use it from the main thread of the stage."""

    def servers(self) -> tuple[str, ...]:
        """The servers that there are, by name. Raises NeedError or InputError where they cannot be had."""
        ...

    def start(self, server: str) -> None:
        """Start `server_process` there; what it sends comes by `poll`. Never blocks for it."""
        ...

    def give(self, server: str, data: bytes) -> None:
        """Send bytes to the server's process; nothing happens where it has gone."""
        ...

    def poll(self, seconds: float) -> list[tuple[str, bytes | None]]:
        """What came from the servers, waiting `seconds` at most; None: the process of that server has ended."""
        ...

    def kill(self, server: str) -> None:
        """End the server's process at once, also one that is stopped. `poll` does not report its end."""
        ...

    def close(self) -> None:
        """End all of them."""
        ...
