"""atc of a simulated server, run as a program: the ONNX file behind a line that names its chip becomes the `.om`."""

import sys
from pathlib import Path

HEAD = "IMOD{soc}\n"
"""What an `.om` of ours begins with; the simulated pyACL loads it on that chip alone."""
NEEDED = ("framework", "model", "output", "soc_version")


def main(given: list[str]) -> int:
    """The exit status; what is wrong is printed as atc prints it."""
    options = dict(argument.removeprefix("--").split("=", 1) for argument in given if "=" in argument)
    sys.stdout.write("ATC start working now, please wait for a moment.\n")
    failure = next((f"E10007: [--{name}] is required." for name in NEEDED if not options.get(name)), "")
    if not failure and not Path(options["model"]).is_file():
        failure = f"E13000: Open file [{options['model']}] failed. Reason: No such file or directory"
    if failure:
        sys.stdout.write(
            f"ATC run failed, Please check the detail log, Try 'atc --help' for more information\n{failure}\n"
        )
        return 255
    head = HEAD.format(soc=options["soc_version"]).encode()
    Path(f"{options['output']}.om").write_bytes(head + Path(options["model"]).read_bytes())
    sys.stdout.write("ATC run success, welcome to the next use.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
