"""Open the page, try everything, check the machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.app import AsJson, app, secret_of
from studio.workspace import Workspace


@app.command()
def ui(
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond this machine a login is required.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 7860,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    login: Annotated[
        Path | None, typer.Option(help="A file with one line `name:password` [default: $STUDIO_LOGIN].")
    ] = None,
    mcp: Annotated[bool, typer.Option("--mcp", help="Offer the page's functions to assistants too, over MCP.")] = False,
    public_url: Annotated[
        str, typer.Option(help="Where browsers find the page through a TLS proxy: https://studio.example.com")
    ] = "",
    import_from: Annotated[
        list[Path] | None, typer.Option(help="A folder whose data sets the page may import without an upload.")
    ] = None,
) -> None:
    """Open the studio's page."""
    if import_from:
        os.environ["STUDIO_IMPORT_FROM"] = os.pathsep.join(str(folder.resolve()) for folder in import_from)
    from studio.ui.app import launch
    from studio.web.login import Login
    from studio.web.security import PublicUrl

    text = secret_of(login, "STUDIO_LOGIN")
    shut = None if text is None else Login.parse(text)
    launch(Workspace.here(), host, port, browser, shut, mcp, PublicUrl.parse(public_url) if public_url else None)


@app.command()
def demo(
    seed: Annotated[int, typer.Option(min=0)] = 0,
    seeds: Annotated[int, typer.Option(min=1, max=20, help="Repeat with this many seeds, from --seed on.")] = 1,
) -> None:
    """Run the whole loop on the bundled model with a synthetic voice: about 5 minutes on 2 cores, no microphone."""
    from studio.cli import demo as demonstration

    demonstration.run(Workspace.here(), list(range(seed, seed + seeds)), typer.echo)


@app.command()
def doctor(
    hub: Annotated[bool, typer.Option("--hub", help="Also ask whether the Hugging Face Hub can be reached.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check this machine: devices, memory, disk, microphone, versions. Each line says fine, or what to do."""
    from studio.cli import doctor as checks

    found = checks.check(Workspace.here(), ask_hub=hub)
    typer.echo(json.dumps([item.model_dump() for item in found], indent=2) if as_json else checks.as_text(found))
    raise typer.Exit(1 if any(item.state == "broken" for item in found) else 0)
