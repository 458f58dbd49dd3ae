"""The command that serves the console to browsers."""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import typer

from backends.core.messages import N_, InputError, NeedError
from backends.core.needs import missing, module
from r3d_tui.commands.options import asked_language, chosen_words, given, tell, workspace_folder
from r3d_tui.lang.words import Words, chosen
from r3d_tui.text.rows import safe


def serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: one that is free.")] = 8000,
    public_url: Annotated[str, typer.Option("--public-url", help="How browsers reach it, as behind a proxy.")] = "",
    read_only: Annotated[bool, typer.Option("--read-only", help="Watch only: no key starts or stops.")] = False,
    consoles: Annotated[int, typer.Option("--consoles", min=1, max=64, help="How many may be open at once.")] = 8,
) -> None:
    """Show the console in a browser, to this machine alone unless told.

    Each page that is opened is a console of its own; closing it stops nothing. There is no password: see --host.
    """
    if lacking := missing((module("textual_serve", "textual-serve"),)):
        text, hint = N_("the console in a browser needs {package}"), N_("pip install {package}")
        raise NeedError(text, hint=hint, package=str(lacking[0].hint.facts["package"]))
    from r3d_tui import serve as server

    place = server.Address(host, port, _checked(public_url), consoles)
    with server.listen(place) as listening:
        place = msgspec.structs.replace(place, port=listening.getsockname()[1])
        words, watching = chosen_words(), read_only or given.read_only
        tell(words("serve.at", url=place.url))
        if place.own_account:
            tell(words("serve.own"))
        else:
            tell(words("serve.open_watch" if watching else "serve.open", host=place.host, port=place.port))
        folder = workspace_folder().absolute()
        command = server.console_command(folder, _options(watching))
        server.serve(listening, place, command, f"r3d-tui: {safe(folder.name)}", Words(chosen(asked_language())))


def _options(watching: bool) -> list[str]:
    """The options of each console, as ours were given."""
    flags = (("--read-only", watching), ("--ascii", given.ascii_only), ("--no-mouse", not given.mouse))
    return ["--language", chosen(asked_language()), *(name for name, wanted in flags if wanted)]


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
        fits = fits and (parts.port is None or parts.port > 0)
    except ValueError:  # an unfinished bracket, a port that is none
        fits = False
    if url and not fits:
        raise InputError("--public-url {url}: no address", hint="such as https://server.example/r3d", url=url)
    return url
