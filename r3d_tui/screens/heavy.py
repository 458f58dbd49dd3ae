"""Reading and dropping what has hundreds of thousands of entries, without holding the event loop. It knows no entries.

A collection of garbage visits every value there is and holds all threads meanwhile: a second and more where a data set
of 650,000 videos is being read. So none runs while one is read, and what was read is not visited later. The reading
thread gives way a thousand times a second: at Python's two hundred a key, which takes several turns, waited longer.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
from collections.abc import Iterator, MutableMapping, MutableSequence
from typing import Any

PIECE = 2_000
"""Values dropped at once; more of them in one go hold the interpreter."""
TURN_S = 0.001
"""How long one thread computes while another waits, as long as something large is read."""


class _Readers:
    """How many threads read something large now; one count for the process, as it has one collector."""

    count = 0
    turn_s = 0.005
    """What `TURN_S` takes the place of."""
    lock = threading.Lock()


def reading() -> bool:
    """Something large is being read: nobody else may turn the collector on."""
    return _Readers.count > 0


@contextlib.contextmanager
def calm() -> Iterator[None]:
    """No collection inside; afterwards the collector does not look at what is there by then."""
    with _Readers.lock:
        if not _Readers.count:
            _Readers.turn_s = sys.getswitchinterval()
        _Readers.count += 1
        sys.setswitchinterval(TURN_S)
        gc.disable()
    try:
        yield
    finally:
        with _Readers.lock:
            _Readers.count -= 1
            if not _Readers.count:
                sys.setswitchinterval(_Readers.turn_s)
                gc.freeze()
                gc.enable()


def let_go(*heaps: MutableSequence[Any] | MutableMapping[Any, Any]) -> None:
    """Empty them bit by bit in a thread."""

    def work() -> None:
        for heap in heaps:
            while heap:
                if isinstance(heap, MutableMapping):
                    for key in [key for key, _ in zip(heap, range(PIECE), strict=False)]:
                        heap.pop(key)
                else:
                    del heap[-PIECE:]
                time.sleep(0.001)

    threading.Thread(target=work, name="let go", daemon=True).start()
