"""`chat pause`, `resume`, `next`, …: the floor of a running chat, from a second terminal."""

import asyncio
from typing import Annotated, Any

import typer

from rostra.console.options import ChatId, Json, Team

floor = typer.Typer(rich_markup_mode=None)

Member = Annotated[str, typer.Argument(metavar="AGENT", help="The member.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept in the transcript.")]
Now = Annotated[bool, typer.Option("--now", help="Take the open turn back, instead of letting it be finished.")]


@floor.command()
def pause(id_: ChatId, now: Now = False, reason: Reason = "", team: Team = "", as_json: Json = False) -> None:
    """Pause a chat after the open turn. It stays paused, through restarts too, until it is resumed."""
    _control("pause", id_, team, as_json, now=now, reason=reason)


@floor.command()
def resume(id_: ChatId, reason: Reason = "", team: Team = "", as_json: Json = False) -> None:
    """Let a chat go on that is paused, or that rests because it waits for a person."""
    _control("resume", id_, team, as_json, reason=reason)


@floor.command()
def step(id_: ChatId, team: Team = "", as_json: Json = False) -> None:
    """Let one turn happen, then pause."""
    _control("step", id_, team, as_json)


@floor.command()
def stop(
    id_: ChatId,
    now: Annotated[
        bool, typer.Option("--now/--after-turn", help="End it in the middle of the open turn, or let that be finished.")
    ] = True,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with the result.")] = "stopped by an operator",
    team: Team = "",
    as_json: Json = False,
) -> None:
    """End a chat."""
    from rostra.console import texts
    from rostra.protocol.chat import ChatInfo, ChatRef

    info: ChatInfo = asked(team, "chat.stop", ChatRef(chat=id_, reason=reason, after_turn=not now), ChatInfo)
    if as_json:
        texts.put_json(info)
    else:
        texts.say(f"{info.chat}: {info.result.stop_reason if info.result else 'ends after this turn'}")


@floor.command()
def skip(
    id_: ChatId,
    agent: Annotated[str, typer.Argument(metavar="[AGENT]", help="Which of several who were asked at once.")] = "",
    reason: Reason = "",
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Pass over whoever has the floor: its turn is recorded as failed, and somebody else speaks."""
    _control("skip", id_, team, as_json, agent=agent, reason=reason)


@floor.command("next")
def next_(id_: ChatId, agent: Member, now: Now = False, reason: Reason = "", team: Team = "", as_json: Json = False) -> None:
    """Say who speaks next, whatever the rules say."""
    _control("next", id_, team, as_json, agent=agent, now=now, reason=reason)


@floor.command()
def takeover(id_: ChatId, reason: Reason = "", team: Team = "", as_json: Json = False) -> None:
    """Give the floor to the chat's admin, now; a chat without one pauses."""
    _control("takeover", id_, team, as_json, reason=reason)


@floor.command()
def mute(id_: ChatId, agent: Member, reason: Reason = "", team: Team = "", as_json: Json = False) -> None:
    """Give a member no further turn until it is unmuted."""
    _control("mute", id_, team, as_json, agent=agent, reason=reason)


@floor.command()
def unmute(id_: ChatId, agent: Member, reason: Reason = "", team: Team = "", as_json: Json = False) -> None:
    """Let a muted member speak again."""
    _control("unmute", id_, team, as_json, agent=agent, reason=reason)


@floor.command("join")
def join_(
    id_: ChatId,
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="An agent of the team that is no member yet.")],
    last: Annotated[int, typer.Option(metavar="N", min=-1, help="Show it only the last N messages; -1: all.")] = -1,
    summary: Annotated[bool, typer.Option("--summary", help="Tell it a model's summary of what it is not shown.")] = False,
    reason: Reason = "",
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Let an agent of the team join a chat."""
    _control("join", id_, team, as_json, agent=agent, last=last, summarised=summary, reason=reason)


@floor.command()
def leave(id_: ChatId, agent: Member, reason: Reason = "", team: Team = "", as_json: Json = False) -> None:
    """Let a member leave a chat; in its own turn, that is taken back."""
    _control("leave", id_, team, as_json, agent=agent, reason=reason)


@floor.command()
def clear(
    id_: ChatId,
    agent: Annotated[str, typer.Argument(metavar="[AGENT]", help="The member; default: everybody.")] = "",
    last: Annotated[int, typer.Option(metavar="N", min=0, help="Still show the last N messages.")] = 0,
    reason: Reason = "",
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Show a member, or everybody, nothing any more of what was said so far. The transcript keeps all of it."""
    _control("clear", id_, team, as_json, agent=agent, last=last, reason=reason)


@floor.command()
def limit(
    id_: ChatId,
    rounds: Annotated[int, typer.Argument(metavar="[ROUNDS]", min=0, help="Messages at most, the opening included.")] = 0,
    tokens: Annotated[int, typer.Option(metavar="N", min=0, help="Tokens at most, those that are used included.")] = 0,
    cost: Annotated[float, typer.Option(metavar="X", min=0, help="Dollars at most, those that are spent included.")] = 0.0,
    seconds: Annotated[float, typer.Option(metavar="S", min=0, help="Seconds at most, those that have passed included.")] = 0.0,
    reason: Reason = "",
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Move the limits of a running chat; what is not given stays as it is."""
    _control("limit", id_, team, as_json, max_rounds=rounds, tokens=tokens, cost=cost, seconds=seconds, reason=reason)


@floor.command()
def selection(
    id_: ChatId,
    method: Annotated[str, typer.Argument(metavar="METHOD", help="auto, manual, random, round_robin or vote.")],
    reason: Reason = "",
    team: Team = "",
    as_json: Json = False,
) -> None:
    """Let the speakers of a running chat be chosen otherwise from now on."""
    _control("selection", id_, team, as_json, selection=method, reason=reason)


def asked(team: str, method: str, payload: Any, reply: Any, *, patient: bool = False) -> Any:
    """What the coordinator of a running team answers. `patient`: however long it takes, as long as it is there."""
    from rostra.console.connection import connected
    from rostra.console.following import coordinator_asked
    from rostra.protocol import COORDINATOR

    async def ask() -> Any:
        async with connected(team) as client:
            if patient:
                return await client.request(COORDINATOR, method, payload, reply=reply, timeout=None, absent=7.5)
            return await coordinator_asked(client, method, payload, reply)

    return asyncio.run(ask())


def _control(what: str, chat: str, team: str, as_json: bool, **rest: Any) -> None:
    from rostra.console import texts
    from rostra.protocol.chat import ChatControl, ChatInfo

    info: ChatInfo = asked(team, f"chat.{what}", ChatControl(chat=chat, **rest), ChatInfo)
    if as_json:
        texts.put_json(info)
        return
    floor_of = f", {info.speaker} has the floor" if info.speaker else ""
    muted = f", muted: {', '.join(info.muted)}" if info.muted else ""
    budget = ", ".join(
        text
        for limit, text in (
            (info.max_tokens, f"{info.max_tokens:,} tokens"),
            (info.max_cost, f"${info.max_cost:g}"),
            (info.max_seconds, f"{info.max_seconds:g} s"),
        )
        if limit
    )
    limits = f", at most {budget}" if budget and what == "limit" else ""
    method = f", speakers are chosen by {info.selection}" if what == "selection" else ""
    place = f"{info.messages} of {info.max_rounds} messages{limits}"
    texts.say(f"{info.chat} is {info.state}: {place}{floor_of}{muted}{method}")
