"""What goes wrong in the process of a device: a message for people, and what the failure says about trying again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from typing import Literal

    RestartPolicy = Literal["again", "retry", "never"]
else:
    RestartPolicy = str  # Python 3.7 has no Literal
"""What a failed device is worth: a new process once no other device is left, a new process at once, none."""


class Message(NamedTuple):
    """An English template such as "{path} has {found} classes" and its facts; the stage makes a `Line` of it."""

    template: str = ""
    facts: dict[str, Any] = {}  # noqa: RUF012 - never changed

    def __str__(self) -> str:
        return self.template.format(**self.facts)


def N_(template: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark a template that reaches its message by way of a variable."""
    return template


def os_reason(error: OSError) -> Message | str:
    """Why the operating system refused: its own sentence, which the languages have, or what the error holds."""
    return Message(error.strerror) if error.strerror else str(error)


MEMORY = N_(
    "if nobody ended it, the kernel did for lack of memory (see `dmesg`): use fewer devices or a smaller infer.batch"
)
HANGS = N_("look at `npu-smi info`, `dmesg` and the chip's plog; on a CPU, whether the machine swaps")


class DeviceError(Exception):
    """A device cannot go on. `exit_code` 2 and 3 are those of the error tree: no other device will do better."""

    def __init__(
        self,
        template: str,
        *,
        hint: str = "",
        exit_code: int = 1,
        policy: RestartPolicy = "again",
        blame: bool = True,
        **facts: Any,
    ) -> None:
        super().__init__(template, facts)
        self.reason = Message(template, facts)
        self.hint = Message(hint, facts)
        self.exit_code = exit_code
        self.policy: RestartPolicy = policy
        self.blame = blame
        """The batch in compute may be the cause; False where the device itself is lost."""

    def __str__(self) -> str:
        return str(self.reason)


LOG = N_("see the stage's log, which has the whole error")
_NO_MEMORY = ("memory", "bad_alloc", "failed to allocate", "can not allocate")


def likely_fix(error: BaseException) -> str:
    """What to look at after a foreign exception."""
    text = str(error).lower()
    return MEMORY if isinstance(error, MemoryError) or any(words in text for words in _NO_MEMORY) else LOG


def in_one_line(error: BaseException) -> Message:
    """A foreign exception by its type and the start of its text."""
    return Message("{error}: {text}", {"error": type(error).__name__, "text": str(error).strip()[:300]})
