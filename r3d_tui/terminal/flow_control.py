"""How far a terminal is behind what was sent to it: it is asked now and then, and answers when it has come so far.

A slow link queues for seconds before anybody is held up (the pty, sshd, TCP), and a key's answer queues behind it. So
what comes by itself is not drawn while an answer is out. Pure: it is told the time and writes nothing.
"""

QUESTION = "\x1b[?2026$p"
"""Of synchronised output, as Textual itself asks at its start: a terminal that answered once answers again."""
ASK_BYTES = 2048
"""So much may be on the way unasked: a quarter of a second on a link of 8 kB/s."""
LOST_S = 8.0
"""An answer that took so long does not come any more."""


class Pace:
    def __init__(self) -> None:
        self.answers = False
        """It has answered once."""
        self._unasked = 0
        self._asked: float | None = None

    def sent(self, count: int, now: float) -> bool:
        """So many bytes went out; True: ask now."""
        self._unasked += count
        if not self.answers or self._unasked < ASK_BYTES or self.behind(now):
            return False
        self._unasked, self._asked = 0, now
        return True

    def answered(self) -> None:
        """The terminal has come as far as the last question."""
        self.answers = True
        self._asked = None

    def behind(self, now: float) -> bool:
        return self._asked is not None and now - self._asked < LOST_S
