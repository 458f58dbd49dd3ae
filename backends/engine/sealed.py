"""JSON objects on disk that carry a checksum, so that one flipped bit is noticed: manifests, plans, states, digests.

The checksum is the object's first member: a reader of plain JSON, and version 0.1, pass over it.
"""

from __future__ import annotations

import re
import zlib

_SEAL = re.compile(rb'\{"crc32":"([0-9a-f]{8})",')


class DamagedError(ValueError):
    """The bytes are not those that were written."""


class UnsealedError(DamagedError):
    """There is no checksum: version 0.1 wrote it, or it is no object of ours."""


def seal(text: str) -> str:
    """An object in JSON, with at least one member, with its checksum inside."""
    body = text[1:]
    return f'{{"crc32":"{zlib.crc32(body.encode("ascii")):08x}",{body}'


def unseal(data: bytes) -> bytes:
    """The object as it was given to `seal`. Raises DamagedError."""
    found = _SEAL.match(data)
    if found is None:
        raise UnsealedError("no checksum")
    body = data[found.end() :]
    if int(found[1], 16) != zlib.crc32(body):
        raise DamagedError("the checksum differs")
    return b"{" + body
