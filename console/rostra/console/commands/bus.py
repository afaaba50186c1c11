"""`ask`, `pub`, `sub`: the bus by hand."""

import asyncio
import contextlib
import json
from typing import Annotated, Any

import typer

from rostra.console.options import AgentName, Json, Team

app = typer.Typer(rich_markup_mode=None)

Text = Annotated[str, typer.Argument(metavar="TEXT", help="What to say; - reads it from stdin.")]


@app.command()
def ask(
    name: AgentName,
    text: Text,
    team: Team = "",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the answer.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Ask one agent, outside any chat, and print its answer.

    Exit codes: 0 answered; 1 the agent failed, refused or was too late; 4 nobody of that name, or no broker.
    """
    from rostra.console.connection import connected
    from rostra.console.texts import given, put, put_json

    async def asked() -> None:
        async with connected(team) as client:
            answer = await client.ask(name, given(text), timeout=timeout)
        if as_json:
            put_json(answer)
        else:
            import sys

            from rostra.console.terminal import Style

            put(Style.of(sys.stdout).text(answer.text))

    asyncio.run(asked())


@app.command()
def pub(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="Dot-separated tokens.")],
    text: Text,
    team: Team = "",
    value: Annotated[bool, typer.Option("--value", help="TEXT is JSON: publish the value, not the text.")] = False,
    as_json: Json = False,
) -> None:
    """Publish an event. Returns when the broker has it."""
    from rostra.console.connection import connected
    from rostra.console.exits import Code, Quit
    from rostra.console.texts import given, put_json
    from rostra.protocol import BROKER

    async def published() -> None:
        payload: Any = given(text)
        if value:
            try:
                payload = json.loads(payload)
            except ValueError as error:
                raise Quit(Code.USAGE, f"the text is no JSON: {error}") from None
        async with connected(team) as client:
            client.publish(topic, payload)
            await client.request(BROKER, "ping", timeout=10.0)  # answered in order, so the event is there
        if as_json:
            put_json({"topic": topic, "published": True})

    asyncio.run(published())


@app.command()
def sub(
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="A topic; * is one token, a final > one or more.")],
    team: Team = "",
    since: Annotated[
        int | None, typer.Option(metavar="SEQ", min=0, help="Begin after this sequence, as far as the broker retains it.")
    ] = None,
    count: Annotated[int, typer.Option(min=0, help="End after so many events; 0: never.")] = 0,
    as_json: Json = False,
) -> None:
    """Print the events of the topics under a pattern, until Ctrl-C. What is lost is reported with its exact number."""
    from rostra.console.connection import connected
    from rostra.console.terminal import clean
    from rostra.console.texts import pretty, put, put_json, say

    def gap(topic: str, missed: int) -> None:
        if as_json:
            put_json({"type": "gap", "topic": topic, "count": missed})
        else:
            say(f"{missed} events of {topic} are lost")

    async def subscribed() -> None:
        left = count
        async with connected(team) as client, client.subscribe(pattern, since=since, on_gap=gap) as events:
            say(f"listening to {pattern}")
            async for event in events:
                if as_json:
                    put_json(
                        {
                            "type": "event",
                            "topic": event.topic,
                            "seq": event.sequence,
                            "sender": event.sender,
                            "time_ms": event.time_ms,
                            "payload": event.payload,
                        }
                    )
                else:
                    put(clean(f"{event.topic} {event.sequence} {event.sender or 'broker'}: {pretty(event.payload)}"))
                left -= 1
                if left == 0:
                    return

    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(subscribed())
