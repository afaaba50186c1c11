"""`doctor`: whether this machine, and a running team, are as they should be."""

import asyncio
import sys
from typing import Annotated

import typer

from rostra.console.options import Json, Team

app = typer.Typer(rich_markup_mode=None)


@app.command()
def doctor(
    team: Team = "",
    only: Annotated[
        str, typer.Option(metavar="broker|coordinator|gateway|agent:NAME", help="Check only that this process answers, quickly.")
    ] = "",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that each process has to answer.")] = 5.0,
    as_json: Json = False,
) -> None:
    """Check this machine; with --team also whether the team's processes answer. Exit code 1 when something essential is wrong."""
    from rostra.console.exits import Code
    from rostra.console.health import Finding, machine, processes
    from rostra.console.terminal import Style
    from rostra.console.texts import put, put_json

    async def checked() -> list[Finding]:
        findings = [] if only else await machine()
        if team or only:
            findings += await processes(team, only=only, seconds=timeout)
        return findings

    findings = asyncio.run(checked())
    wrong = [finding for finding in findings if finding.state == "bad"]
    if as_json:
        put_json({"healthy": not wrong, "findings": findings})
    else:
        style = Style.of(sys.stdout)
        signs = {
            "good": style.good(style.sign("✓")),
            "bad": style.bad(style.sign("✗")),
            "note": style.dim(style.sign("○")),
        }
        for finding in findings:
            put(f"{signs[finding.state]} {finding.what}: {style.text(finding.text)}")
    raise typer.Exit(Code.FAILED if wrong else Code.ENDED)
