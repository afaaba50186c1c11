"""What `rostra vote` does: who votes, the vote itself, and how the tally is shown."""

from collections.abc import Sequence
from pathlib import Path

from rostra.protocol import BadProposal, Client, Proposal, Tally
from rostra.protocol.chat import ChatInfo, ChatRef, ChatVote
from rostra.protocol.voting import check_proposal

from .exits import Code, Quit
from .following import coordinator_asked
from .texts import pretty, put, table

KINDS = frozenset({"assistant", "user_proxy", "conversable", "handler", "teachable", "group_chat"})
"""What a peer says it is that is an agent."""
SLACK = 15.0
"""Seconds that the coordinator may take beside the vote itself."""


async def held(client: Client, proposal: Proposal, *, chat: str, team: str, members: Sequence[str]) -> Tally:
    """Hold a vote: of a chat's members, on record there, or of a team's agents. Raises `Quit` for a proposal that is none."""
    if chat:
        info: ChatInfo = await coordinator_asked(client, "chat.info", ChatRef(chat=chat), ChatInfo)
        voters = members or [member.name for member in info.members]
    else:
        voters = members or await agents(client, team)
    try:
        check_proposal(proposal, voters)
    except BadProposal as error:
        raise Quit(Code.USAGE, str(error)) from None
    if not chat:
        from rostra.protocol.vote import vote

        return await vote(client, proposal, voters)
    wish = ChatVote(chat=chat, proposal=proposal, members=tuple(members))
    tally: Tally = await coordinator_asked(client, "chat.vote", wish, Tally, timeout=proposal.seconds + SLACK)
    return tally


async def agents(client: Client, team: str) -> list[str]:
    """The agents of a team: those of its file, dead ones included; where there is none here, those that are connected."""
    named = _of_file(team)
    if named:
        return named
    found = {peer.name for peer in await client.peers() if peer.info.get("kind") in KINDS}
    if not found:
        raise Quit(Code.UNREACHABLE, "no agent is connected; say who votes (--members)")
    return sorted(found)


def _of_file(team: str) -> list[str]:
    from rostra.team.check import read
    from rostra.team.instances import NoInstance, find
    from rostra.team.places import Places

    file = Path(team)
    if not file.is_file():
        try:
            file = Path(find(Places.here(), team).file)
        except NoInstance:
            return []
    return list(read(file).agents) if file.is_file() else []


def show(tally: Tally) -> None:
    """Print a tally: what each option has, who wants it, who did not vote, and the decision."""
    choosers: dict[str, list[str]] = {option: [] for option in tally.proposal.options}
    for ballot in tally.ballots:
        for place, choice in enumerate(ballot.choices, 1):
            if ballot.voter:
                choosers[choice].append(f"{ballot.voter} ({place})" if tally.proposal.method == "ranked" else ballot.voter)
    rows = [(option, f"{tally.scores.get(option, 0):g}", ", ".join(choosers[option])) for option in tally.proposal.options]
    unit = {"approval": "APPROVALS", "weighted": "WEIGHT"}.get(tally.proposal.method, "VOTES")
    table(("OPTION", unit, "VOTERS"), rows)
    for number, scores in enumerate(tally.rounds[:-1], 1):
        put(f"round {number}: {', '.join(f'{option} {score:g}' for option, score in scores.items())}")
    if tally.abstentions:
        abstained = ", ".join(ballot.voter for ballot in tally.ballots if not ballot.choices and ballot.voter)
        put(f"abstained: {abstained or tally.abstentions}")
    for voter, why in tally.absent.items():
        put(f"absent: {voter} ({pretty(why)})")
    put(f"{tally.winner}: {tally.reason}" if tally.winner else f"no decision: {tally.reason}")


def voted(tally: Tally) -> list[tuple[str, str]]:
    """Who voted how, and who did not: what, and in words."""
    said = [
        (
            f"{ballot.voter or 'a member'} voted",
            (" > ".join(ballot.choices) or "abstains") + (f" ({ballot.reason})" if ballot.reason else ""),
        )
        for ballot in tally.ballots
    ]
    return [*said, *((f"{voter} did not vote", why) for voter, why in tally.absent.items())]


def weights(text: str) -> dict[str, float]:
    """`a=2,b=0.5` as a map; raises `Quit`."""
    found: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise Quit(Code.USAGE, f"--weights: {part!r} is no NAME=NUMBER") from None
    return found
