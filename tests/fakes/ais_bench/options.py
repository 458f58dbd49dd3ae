"""Options by generation; an unknown one, or a value of another type, ends with exit code 2."""

from __future__ import annotations

import argparse
import os
import re

ORDER = "ABCDE"
NPU_SUFFIX = ".om"
LEGAL = re.compile(r"[A-Za-z0-9_\-/.]+")
LIMITS = {"model": 10 << 30, "input": 4 << 30}


def generation() -> str:
    return os.environ.get("FAKE_AIS_GENERATION", "E")


def at_least(wanted: str) -> bool:
    return ORDER.index(generation()) >= ORDER.index(wanted)


def a_bool(text: str) -> bool:
    if text.lower() in ("yes", "true", "t", "y", "1"):
        return True
    if text.lower() in ("no", "false", "f", "n", "0"):
        return False
    raise argparse.ArgumentTypeError("Boolean value expected.")


def positive(most: int | None = None):
    def check(text: str) -> int:
        value = int(text)
        if value < 1 or (at_least("E") and most and value > most):
            raise argparse.ArgumentTypeError(f"{text} is out of range")
        return value

    return check


def one_device(text: str) -> int:
    if not 0 <= int(text) <= 255:
        raise argparse.ArgumentTypeError(f"device value:{text} is invalid. valid value range is [0, 255]")
    return int(text)


def devices(text: str) -> list[int]:
    try:
        return [one_device(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"device value:{text} is invalid. valid value range is [0, 255]") from None


def legal(path: str) -> None:
    """The characters of a path: E looks at the absolute one, D at what was given."""
    looked_at = os.path.abspath(path) if at_least("E") else path
    if not LEGAL.fullmatch(looked_at):
        raise argparse.ArgumentTypeError(f"path {path!r} has illegal characters [\x1b[1;32mSOLUTION\x1b[0m] visit ...")
    if at_least("E") and looked_at.count("/") > 32:
        raise argparse.ArgumentTypeError(f"path {path!r} is too deep")


def safe_file(path: str, kind: str) -> None:
    """What D and E ask of the model and of inputs; raises ArgumentTypeError."""
    if os.path.islink(path):
        raise argparse.ArgumentTypeError(f"{path} is a soft link")
    if not os.path.exists(path):
        raise argparse.ArgumentTypeError(f"{path} is not exist")
    stat = os.stat(path)
    if stat.st_mode & 0o022:
        raise argparse.ArgumentTypeError(f"{path} is writable by group or others")
    if stat.st_uid != os.geteuid() and stat.st_gid not in os.getgroups():
        raise argparse.ArgumentTypeError(f"{path} is not owned by the current user")
    if os.path.isfile(path) and stat.st_size > LIMITS[kind]:
        raise argparse.ArgumentTypeError(f"{path} is too large")


def model(path: str) -> str:
    if at_least("D"):
        legal(path)
        safe_file(path, "model")
        if not path.endswith(NPU_SUFFIX):
            raise argparse.ArgumentTypeError(f"{path} is not an .om")
    return path


def inputs(path: str) -> str:
    if at_least("D"):
        for part in path.split(","):
            legal(part)
            safe_file(part, "input")
    return path


def output(path: str) -> str:
    if at_least("D"):
        legal(path)
        if os.path.islink(path):
            raise argparse.ArgumentTypeError(f"{path} is a soft link")
        if os.path.isdir(path):
            if at_least("E") and os.stat(path).st_mode & 0o777 & ~0o750:
                raise argparse.ArgumentTypeError(f"{path} permission should not be over 0o750(rwxr-x---)")
            os.chmod(path, 0o750)
    return path


def dirname(path: str) -> str:
    if at_least("D"):
        legal(path)
        if os.path.isabs(path):
            raise argparse.ArgumentTypeError(f"output_dirname {path} must not be absolute")
    return path


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="ais_infer.py" if generation() == "A" else "__main__.py", allow_abbrev=False)
    add = made.add_argument
    old = not at_least("C")
    add("--model", "-m", *(("--om",) if old else ()), type=model, required=True, help="the path of the om model")
    add("--input", "-i", type=inputs)
    add("--output", "-o", type=output)
    add("--output_dirname", type=dirname)
    add("--outfmt", choices=("BIN", "NPY", "TXT"), default="BIN")
    add("--loop", "-l", *(("-r",) if old else ()), type=positive(100_000), default=1)
    if old:
        add("--device", "-d", type=one_device, default=0, choices=range(256), metavar="{0..255}")
    else:
        add("--device", "-d", type=devices, default=[0], help="the NPU device ID. valid value range is [0, 255]")
    add("--batchsize", type=positive(4096), default=1 if old else None)
    add("--debug", type=a_bool, default=False)
    add("--pure_data_type", choices=("zero", "random"), default="zero")
    add("--acl_json_path")
    if generation() == "A":
        add("--infer_queue_count", type=int, default=20)
    else:
        add("--run_mode", choices=("array", "files", "tensor", "full"), default="array")
        add("--display_all_summary", type=a_bool, default=False)
        add("--warmup_count", type=int, default=1)
        add("--output_batchsize_axis", type=int, default=0)
    if at_least("D"):
        add("--pipeline", type=a_bool, default=False)
        add("--divide_input", type=a_bool, default=False)
        add("--threads", type=int, default=1)
        add("--dump_npy", type=a_bool, default=False)
    return made


def parse(argv: list[str]) -> argparse.Namespace:
    made = parser()
    args = made.parse_args(argv)
    if args.output_dirname and not args.output:
        made.error("--output_dirname is only valid with --output")
    args.device = args.device if isinstance(args.device, list) else [args.device]
    if len(args.device) > 1:
        made.error("the stand-in runs one device a process")
    return args
