"""What npu-smi prints instead of a table: codes and messages with cause and fix. It runs nothing."""

import re

from backends.core.messages import Line, line
from backends.core.values import ToolFailure

_CODE = re.compile(r"(?:ret(?:urn)?(?: code)?(?: is)?|error code)\s*[:=]?\s*(-[0-9]{3,5})\b", re.IGNORECASE)
_LIBRARY = re.compile(
    r"error while loading shared libraries: (\S{1,300}?):|(?<!\S)(\S{1,300}\.so\S{0,50}): cannot open shared object"
)

_CODES: dict[str, tuple[Line, Line]] = {
    "-8005": (
        line(
            "this user is not in the group HwHiAiUser, another container holds the chips, "
            "or the driver was upgraded without a restart"
        ),
        line(
            "usermod -aG HwHiAiUser <user> and log in again; in a container, mount chips that no other one has; "
            "after an upgrade of driver or firmware, reboot"
        ),
    ),
    "-8020": (
        line("another container, or a process in another namespace, holds the chips"),
        line("stop that container, or give this one chips of its own"),
    ),
    "-9005": (
        line("the kind of board is not known; in a container, driver files or device nodes are not mounted"),
        line("mount /usr/local/Ascend/driver, /usr/local/dcmi and the device nodes, or run it on the host"),
    ),
    "-8002": (line("this user may not ask the driver"), line("usermod -aG HwHiAiUser <user> and log in again")),
    "-8006": (line("the driver did not answer in time"), line("try again; if it stays so, reboot")),
    "-8008": (line("no chip has this id"), line("see the ids of `npu-smi info -l`")),
    "-8012": (line("the chip is not ready yet"), line("wait for it to start, then try again")),
    "-8013": (line("the driver does not answer this in a container"), line("ask on the host")),
    "-8017": (line("the firmware is being upgraded"), line("wait for the upgrade, then reboot")),
    "-8255": (line("this driver does not support the question"), line("upgrade the driver")),
}

_OTHER_CODE = (line("the driver answered with an error"), line("see /var/log/ascend_seclog and `dmesg`"))

_SENTENCES: tuple[tuple[re.Pattern[str], Line, Line], ...] = (
    (
        re.compile(
            r"npu-smi\S*?[:：]\s*(?:(?:command )?not found|No such file|未找到命令|没有那个文件)"
            r"|command not found.*npu-smi|Unknown command:? *npu-smi|npu-smi\S*: executable file not found",
            re.IGNORECASE,
        ),
        line("npu-smi is not installed, or not on PATH"),
        line("install the Ascend driver, or add /usr/local/sbin and /usr/local/bin to PATH"),
    ),
    (
        re.compile(r"There is no NPU card|No NPU device", re.IGNORECASE),
        line("the driver sees no card"),
        line("see `lspci | grep -i d[58]`; reseat the card, or reboot"),
    ),
    (
        re.compile(r"DrvMngGetConsoleLogLevel failed|whether the driver is loaded", re.IGNORECASE),
        line("the driver is not loaded, or this user may not open its device nodes"),
        line("usermod -aG HwHiAiUser <user> and log in again; see `lsmod | grep drv`"),
    ),
    (
        re.compile(r"npu-smi\S*?[:：]\s*(?:Is a directory|是一个目录)", re.IGNORECASE),
        line("there is a folder in the place of npu-smi: the container mounts a file that the host does not have"),
        line("mount npu-smi from where the host has it: see `which npu-smi` there"),
    ),
    (
        re.compile(r"Exec format error|cannot execute binary file|可执行文件格式错误", re.IGNORECASE),
        line("npu-smi is built for another processor"),
        line("take the driver package of this machine's processor: see `uname -m`"),
    ),
    (
        re.compile(r"GLIBC\S* not found", re.IGNORECASE),
        line("the system's glibc is older than npu-smi needs"),
        line("take an image or a system that the driver supports"),
    ),
    (
        re.compile(r"not support", re.IGNORECASE),
        line("this product or driver does not answer the question"),
        line("see `npu-smi info -h` for what it answers"),
    ),
    (
        re.compile(r"Segmentation fault|core dumped|段错误", re.IGNORECASE),
        line("npu-smi crashed: it and the driver may be of two versions"),
        line("reinstall the driver; in a container, mount npu-smi and the driver of the same host"),
    ),
    (
        re.compile(r"as (?:the )?root", re.IGNORECASE),
        line("npu-smi wants root for this"),
        line("run it as root, or join the group HwHiAiUser"),
    ),
    (
        re.compile(r"permission denied|权限不够|权限不足", re.IGNORECASE),
        line("this user may not run npu-smi"),
        line("usermod -aG HwHiAiUser <user> and log in again, or run it as root"),
    ),
)


def failure(text: str) -> ToolFailure:
    """What an output without any chip means. `message` is the tool's own line, shortened."""
    rows = [row.strip() for row in text.splitlines() if row.strip(" |+-=#>\t")]
    code = _CODE.search(text)
    if code:
        cause, fix = _CODES.get(code[1], _OTHER_CODE)
        return ToolFailure(code[1], _row(rows, code[0]), cause, fix)
    if library := _LIBRARY.search(text):
        cause = line("the driver's library {name} is not found", name=library[1] or library[2])
        fix = line(
            "source CANN's set_env.sh, or add /usr/local/Ascend/driver/lib64 and its folders common and driver "
            "to LD_LIBRARY_PATH; in a container, mount the driver"
        )
        return ToolFailure(None, _row(rows, library[0]), cause, fix)
    for pattern, cause, fix in _SENTENCES:
        if found := pattern.search(text):
            return ToolFailure(None, _row(rows, found[0]), cause, fix)
    if not rows:
        return ToolFailure(
            None, str(line("nothing was printed")), line("npu-smi gave no output"), line("run `npu-smi info` by hand")
        )
    cause = line("this is not the table of `npu-smi info`, or it ends before the first chip")
    return ToolFailure(None, rows[0][:200], cause, line("give the whole output of `npu-smi info`"))


def _row(rows: list[str], part: str) -> str:
    return next((row for row in rows if part in row), part)[:200]
