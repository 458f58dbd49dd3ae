"""Commands that look and change nothing: what ran, what it wrote, which chips there are, what is missing."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from backends import api
from backends.core.client import Client
from backends.core.messages import N_, InputError, R3dError, line
from backends.core.needs import Finding
from r3d_tui.commands.options import (
    Json,
    chosen_words,
    given,
    here,
    numbers,
    open_workspace,
    print_json,
    refuse,
    say,
    stage_names,
    tell,
    unknown_stages,
)
from r3d_tui.text import figures
from r3d_tui.text.rows import safe_lines
from r3d_tui.views.chips import devices_setting, number_of

SERVER_HINT = N_("exclude the server in the console (Space), or set infer.devices in r3d.toml and run again")


def status(json_document: Json = False) -> None:
    """The latest run: stages, devices, result."""
    from r3d_tui.headless.tables import status_document, status_lines

    snapshot, words = open_workspace().snapshot(), chosen_words()
    if json_document:
        print_json(status_document(snapshot))
    else:
        say(*status_lines(snapshot, words))
    if snapshot.problem.template:  # of r3d.toml as it is now, whatever ran before
        tell(words.line(snapshot.problem))


def logs(
    stage: Annotated[
        str | None, typer.Argument(autocompletion=stage_names, help="One stage; without: which there are.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="A saved log of atc, ais_bench or msame: what it reports."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="With --from: clips of one execution, where msame ran.")] = 10,
) -> None:
    """A stage's raw log, or where the logs lie; with --from, the figures or the failure in a log from elsewhere."""
    from r3d_tui.headless.tables import log_lines

    if source is not None:
        for told in api.explain_log(source, batch):
            say(chosen_words().line(told))
        return
    client = open_workspace()
    if stage is None:
        paths = {name: str(path) for name in api.stage_names() if (path := client.log_path(name))}
        say(*log_lines(paths, chosen_words()))
    else:
        refuse(unknown_stages((stage,)))
        path = client.log_path(stage)
        if path is None:
            raise InputError("{stage} has no log in the latest run", hint="r3d-tui logs", stage=stage)
        text = path.read_text(encoding="utf-8", errors="replace")
        sys.stdout.write("\n".join(safe_lines(text.rstrip("\n"))) + "\n" if sys.stdout.isatty() else text)


def version() -> None:
    """The version of r3d-tui."""
    typer.echo(metadata.version("r3d-tui"))


def runs(json_document: Json = False) -> None:
    """All runs of the workspace, latest first."""
    from r3d_tui.headless.tables import run_lines, runs_document

    found = open_workspace().runs()
    if json_document:
        print_json(runs_document(found))
        return
    say(*run_lines(found, chosen_words()))


def devices(
    json_document: Json = False,
    source: Annotated[str, typer.Option("--from", help="A saved `npu-smi info`; - for standard input.")] = "live",
    exclude: Annotated[str | None, typer.Option(help="Devices that runs leave alone, such as 3 or 0,1.")] = None,
    include: Annotated[str | None, typer.Option(help="Devices that runs take again.")] = None,
) -> None:
    """The chips of this machine as npu-smi reports them; --exclude and --include choose which of them runs take."""
    if exclude is not None or include is not None:
        choose_devices(open_workspace(), numbers(exclude, "--exclude"), numbers(include, "--include"))
        return
    table = api.read_devices(source)
    if json_document:
        print_json(api.devices_document(table))
    else:
        from r3d_tui.headless.tables import device_lines

        say(*device_lines(table, chosen_words()))
    if table.error:
        raise typer.Exit(3)


def choose_devices(client: Client, excluded: tuple[int, ...], included: tuple[int, ...]) -> None:
    """As Space in the console: in the inference that runs, else in `infer.devices` of r3d.toml."""
    snapshot, words = client.snapshot(), chosen_words()
    known = {number_of(device.id): device.id for device in snapshot.run.devices}
    if any(device.server is not None for device in snapshot.run.devices) and snapshot.run.state == "running":
        raise InputError("chips of a server are not excluded one by one", hint=SERVER_HINT)
    if any(stage.name == "infer" and stage.state == "running" for stage in snapshot.run.stages):
        refuse(_unknown_devices((*excluded, *included), known))
        for number, take in [*((n, "out") for n in excluded), *((n, "in") for n in included)]:
            client.command("infer", {"command": "device", "id": known[number], "take": take})
        return
    if snapshot.settings is None:
        raise InputError("{path}: its settings cannot be read", hint="r3d-tui status", path=str(client.workspace))
    with api.sample_devices(snapshot.settings.infer.target) as readings:
        samples = {number_of(sample.device): sample for sample in next(readings, ())}
    free = {number for number, sample in samples.items() if not sample.not_taken.template}
    before = snapshot.settings.infer.devices
    if snapshot.settings.infer.target == "ascend":  # groups of cores are made as they are asked for
        refuse(_unknown_devices((*excluded, *included), samples))
    chosen = (set(before) if before is not None else free) - set(excluded) | set(included)
    if not chosen:
        raise InputError("no device would be left", hint="leave at least one")
    change = api.change_setting(client.workspace, "infer.devices", devices_setting(chosen, free))
    tell(words.line(line("r3d.toml: {setting}", setting=change.after or line("infer.devices: all that are free"))))


def _unknown_devices(asked: Iterable[int], known: Mapping[int, object]) -> Iterator[InputError]:
    for number in asked:
        if number not in known:
            names = ", ".join(map(str, sorted(known)))
            yield InputError("no device {number}", hint="devices: {names}", number=number, names=names)


Cluster = Annotated[
    str | None,
    typer.Option("--cluster", metavar="ADDRESS", help="auto, HOST:PORT of Ray, or local:3; else r3d.toml says."),
]


def cluster(json_document: Json = False, address: Cluster = None) -> None:
    """The servers of the cluster: versions, chips, disk, and whether each can take part in a run."""
    from r3d_tui.headless.tables import finding_lines, server_document

    reports = api.ask_servers(open_workspace().workspace, address)
    if json_document:
        print_json(server_document(reports, chosen_words()))
    else:
        say(*finding_lines(api.server_findings(reports), chosen_words()))
    if any(one.reason.template for one in reports):
        raise typer.Exit(3)


def doctor(
    json_document: Json = False,
    address: Cluster = None,
    bundle: Annotated[Path | None, typer.Option("--bundle", help="A .tar.gz to write, for a colleague.")] = None,
) -> None:
    """What a run needs: met or not, what was found, and the fix."""
    from r3d_tui.headless.tables import finding_lines, findings_document

    workspace = api.find_workspace(given.workspace or here())
    findings = _findings(workspace, bundle)
    if address is not None or (workspace is not None and api.has_cluster(workspace)):
        findings += api.server_findings(api.ask_servers(open_workspace().workspace, address or None))
    if json_document:
        print_json(findings_document(findings))
    else:
        say(*finding_lines(findings, chosen_words()))
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(3)


def _findings(workspace: Path | None, bundle: Path | None) -> tuple[Finding, ...]:
    """What doctor finds; the bundle is written also where it ends with an error."""
    try:
        findings = api.doctor(workspace)
    except R3dError:
        if bundle is not None:
            _pack(workspace, bundle, None)
        raise
    if bundle is not None:
        _pack(workspace, bundle, findings)
    return findings


def _pack(workspace: Path | None, file: Path, findings: tuple[Finding, ...] | None) -> None:
    from r3d_tui.headless.tables import status_document

    documents = {}
    if workspace is not None:
        client = api.open_client(workspace)
        documents["status.json"] = status_document(client.snapshot())
        client.close()
    made, words = api.make_bundle(workspace, file, documents, findings), chosen_words()
    tell(words("bundle.wrote", path=str(made.path), n=len(made.files), size=figures.size(made.bytes)))
    for cut in made.left_out:
        tell(words("bundle.left_out", what=words.line(cut)))
