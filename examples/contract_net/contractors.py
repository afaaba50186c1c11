"""The contract net protocol: call for bids, award, report. A call is a question to everybody at once; a bid is a price."""

import asyncio

from rostra.agents import Context, agent
from rostra.agents.adapt import FunctionAgent
from rostra.protocol import ChatMessage, RequestError

CONTRACTORS = ("mason", "painter", "carpenter")
BID_SECONDS = 10.0
WORK_SECONDS = 60.0


class Manager:
    """Has a task done by the contractor with the lowest bid."""

    async def respond(self, message: ChatMessage, context: Context) -> str:
        """Call for bids on the task in `message`, award it, and report."""
        task = message.text
        bids = sorted(await self._bids(task, context))
        log = [f"bids: {', '.join(f'{name} {price:g}' for price, name in bids) or 'none'}"]
        for _, name in bids:
            try:
                report = await context.ask(name, f"award {task}", timeout=WORK_SECONDS)
            except RequestError as error:  # it failed, or died: the next best gets the task
                log.append(f"{name} did not deliver: {error.code}")
                continue
            return "\n".join([*log, f"awarded to {name}", f"report: {report.text}"])
        return "\n".join([*log, "nobody can do it"])

    async def _bids(self, task: str, context: Context) -> list[tuple[float, str]]:
        answers = await asyncio.gather(
            *(context.ask(name, f"call {task}", timeout=BID_SECONDS) for name in CONTRACTORS), return_exceptions=True
        )
        return [
            (float(answer.text.removeprefix("bid ")), name)
            for name, answer in zip(CONTRACTORS, answers, strict=True)
            if isinstance(answer, ChatMessage) and answer.text.startswith("bid ")
        ]


def contractor(name: str, **prices: float) -> FunctionAgent:
    """A contractor that does each work in `prices` at that price a piece, and refuses any other."""

    async def respond(message: ChatMessage, context: Context) -> str:
        verb, work, amount = message.text.split()
        if work not in prices:
            return "refuse"
        if verb == "call":
            return f"bid {prices[work] * int(amount):g}"
        context.publish(f"work.{context.agent}", {"work": work, "amount": int(amount)})  # whoever watches
        return f"{work} {amount} done for {prices[work] * int(amount):g}"

    return agent(name=name, description=f"Can {', '.join(prices)}.")(respond)


mason = contractor("mason", tile=5, paint=4)
painter = contractor("painter", paint=2)
carpenter = contractor("carpenter", saw=3, paint=3)
