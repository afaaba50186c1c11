"""Tools that reach out of the conversation leave a trace: each call is a line of the log `rostra.audit`."""

import logging
import time
from collections.abc import Callable

import msgspec

from rostra.agents.responder import Context

from .function_tool import FunctionTool

log = logging.getLogger("rostra.audit")

SHOWN = 2_000
"""Characters of the arguments that the log keeps."""


class AuditedTool(FunctionTool):
    """A `FunctionTool` whose every call is logged: who called it, in which chat, with what, how it went, how long it took."""

    async def run(self, arguments: str, context: Context, begin: Callable[[], object] | None = None) -> str:
        """See `FunctionTool.run`."""
        began = time.monotonic()
        outcome = "cancelled"
        try:
            answer = await super().run(arguments, context, begin)
            outcome = answer.partition("\n")[0][:200] if answer.startswith("Error:") else f"{len(answer)} characters"
        finally:
            line = {
                "tool": self.name,
                "agent": context.agent,
                "chat": context.chat,
                "turn": context.turn.hex(),
                "arguments": arguments[:SHOWN],
                "outcome": outcome,
                "seconds": round(time.monotonic() - began, 3),
            }
            log.info("%s", msgspec.json.encode(line).decode())
        return answer
