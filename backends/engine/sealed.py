"""JSON objects on disk that carry a checksum, so that one flipped bit is noticed: manifests, plans, states, digests.

The checksum is the object's first member: a reader of plain JSON, and version 0.1, pass over it.
"""

from __future__ import annotations

import re
import zlib
from typing import TypeVar

from backends.core.codec import DecodeError, dumps, loads

T = TypeVar("T")
_SEAL = re.compile(rb'\{"crc32":"([0-9a-f]{8})",')


class DamagedError(ValueError):
    """The bytes are not those that were written."""


class UnsealedError(DamagedError):
    """There is no checksum: version 0.1 wrote it, or it is no object of ours."""


def seal(value: object) -> bytes:
    """A value that encodes to an object with at least one member, in ASCII."""
    body = dumps(value).encode("ascii")[1:]
    return b'{"crc32":"%08x",' % zlib.crc32(body) + body


def unseal(kind: type[T], data: bytes, *, needs_seal: bool = True) -> T:
    """The value as it was given to `seal`. Raises DamagedError, UnsealedError where it `needs_seal` and has none."""
    found = _SEAL.match(data)
    if found is None and needs_seal:
        raise UnsealedError("no checksum")
    body = data[found.end() :] if found else data
    if found and int(found[1], 16) != zlib.crc32(body):
        raise DamagedError("the checksum differs")
    try:
        return loads(kind, b"{" + body if found else body)
    except DecodeError as error:
        raise DamagedError(str(error)) from None
