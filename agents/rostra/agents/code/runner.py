"""Runs the code blocks of messages for one agent."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from rostra.agents.approval import Approval, Denied, approved, digest_of
from rostra.agents.responder import HumanInput
from rostra.protocol import ChatMessage
from rostra.protocol.people import Asking

from . import sandbox
from .blocks import LANGUAGES, CodeBlock, latest_blocks
from .config import CodeExecution
from .job import Job
from .mounts import python
from .run import Finished
from .sealed import Sealed

if TYPE_CHECKING:
    from .kernel import Kernels

NOT_RUN = 126
"""The exit code of code that was not run, as of a shell that may not run a file."""
KEPT_CHATS = 32
KEPT_BYTES = 256 * 1024 * 1024
"""Work directories that are remembered, together; the one least recently used is forgotten first."""
SHELL = "/bin/sh"


class CodeRunner:
    """Runs code in sandboxes, one a block; the blocks of one chat share a work directory, also across turns.

    `asking`: how a person is asked where `config` wants an approval.
    """

    def __init__(self, config: CodeExecution, asking: Asking | None = None) -> None:
        self.config, self.asking = config, asking or Asking()
        self._work: OrderedDict[str, Sealed] = OrderedDict()
        self._kernels: Kernels | None = None
        self._files: dict[str, list[dict[str, str]]] = {}

    async def reply(self, messages: Sequence[ChatMessage], agent: str, chat: str, human: HumanInput | None = None) -> str | None:
        """Run the code of the last messages (see `latest_blocks`) and tell how it went; None: there is none.

        `human`: where a person is asked to approve it, where that is wanted. Raises `SandboxUnavailable`.
        """
        blocks = latest_blocks(messages, agent, self.config.last_messages)
        if not blocks:
            return None
        try:
            approval = await self._approved(blocks, agent, chat, human) if self.config.approval else None
            code, output = await self.run(blocks, chat, approval)
        except Denied as error:
            code, output = NOT_RUN, f"the code was not run: {error}"
        return f"exitcode: {code} (execution {'failed' if code else 'succeeded'})\nCode output: {output}"

    async def _approved(self, blocks: Sequence[CodeBlock], agent: str, chat: str, human: HumanInput | None) -> Approval:
        reach = "with the network" if self.config.network else "without a network"
        return await approved(
            human,
            self.asking,
            kind="code",
            text=f"{agent} wants to run this code ({self.config.sandbox}, {reach}). Approve?",
            detail="\n".join(f"```{block.language}\n{block.code.removesuffix(chr(10))}\n```" for block in blocks),
            digest=code_digest(blocks),
            agent=agent,
            chat=chat,
        )

    async def run(self, blocks: Sequence[CodeBlock], chat: str = "", approval: Approval | None = None) -> tuple[int, str]:
        """Run blocks one after the other, until one fails; returns the last exit code and all output.

        `chat`: whose work directory they get; empty: a fresh one. Raises `SandboxUnavailable`, and `Denied` where a person must
        approve and `approval` is not one of exactly these blocks.
        """
        if self.config.approval and (approval is None or approval.digest != code_digest(blocks)):
            raise Denied("it is not what was approved" if approval else "nobody approved it")
        work = self._work.pop(chat, None) if chat else None
        self._files.pop(chat, None)
        outputs = []
        code = 0
        try:
            for block in blocks:
                command = _command(block, self.config)
                if command is None:
                    code = 1
                    outputs.append(f"unknown language {block.language}")
                    break
                file = block.filename or f".block.{LANGUAGES[block.language]}"
                job = Job(command=command, file=file, code=block.code, temporary=not block.filename)
                done = await self._sandboxed(job, work, chat)
                if work is not None:
                    work.close()
                work, code = done.work, done.exit_code
                outputs.append(done.output)
                if code:
                    break
        finally:
            if work is not None:
                self._keep(chat, work)
        return code, "\n".join(outputs)

    def taken(self, chat: str) -> list[dict[str, str]]:
        """The pictures that the last run of this chat has shown, once."""
        return self._files.pop(chat, [])

    async def _in_kernel(self, job: Job, chat: str) -> Finished:
        from .kernel import Kernels

        if self._kernels is None:
            self._kernels = Kernels(self.config)
        done = await self._kernels.run(job, chat)
        self._files.setdefault(chat, []).extend(msgspec.to_builtins(each) for each in done.files)
        return Finished(exit_code=done.status, output=done.output, work=None)

    async def _sandboxed(self, job: Job, work: Sealed | None, chat: str) -> Finished:
        match self.config.sandbox:
            case "bubblewrap":
                return await sandbox.run(job, self.config, work)
            case "jupyter":
                return await self._in_kernel(job, chat)
            case "docker":
                from . import docker

                return await docker.run(job, self.config, work)

    def _keep(self, chat: str, work: Sealed) -> None:
        if not chat:
            work.close()
            return
        self._work[chat] = work
        while len(self._work) > KEPT_CHATS or sum(each.size for each in self._work.values()) > KEPT_BYTES:
            self._work.popitem(last=False)[1].close()

    async def aclose(self) -> None:
        """Forget every work directory, and end every kernel."""
        self.close()
        if self._kernels is not None:
            await self._kernels.aclose()

    def close(self) -> None:
        """Forget every work directory."""
        while self._work:
            self._work.popitem()[1].close()


def code_digest(blocks: Sequence[CodeBlock]) -> str:
    """What an approval of these blocks, in this order, is bound to."""
    return digest_of(["code", [[block.language, block.code] for block in blocks]])


def _command(block: CodeBlock, config: CodeExecution) -> tuple[str, ...] | None:
    match LANGUAGES.get(block.language):
        case "python":
            return ("/usr/bin/env", "python3") if config.sandbox == "docker" else (python(),)
        case "sh":
            return ("/bin/bash",) if block.language == "bash" else (SHELL,)
        case _:
            return None
