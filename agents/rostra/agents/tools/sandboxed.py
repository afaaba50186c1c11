"""Tools that run code of a model, in the sandbox and nowhere else."""

import asyncio
from typing import Annotated, Literal

from rostra.agents.code import CodeBlock, CodeExecution, CodeRunner
from rostra.agents.responder import Context


class Sandboxed:
    """Runs shell or Python code; the calls of one chat share a work directory. There is no network."""

    def __init__(
        self, language: Literal["shell", "python"], *, seconds: float = 30.0, memory_mb: int = 512, output_kb: int = 64
    ) -> None:
        self._language = "sh" if language == "shell" else "python"
        self._runner = CodeRunner(CodeExecution(seconds=seconds, memory_mb=memory_mb, output_kb=output_kb))
        self._one = asyncio.Lock()  # calls made at once would each begin with the directory as it was
        what = "a shell script" if language == "shell" else "a Python script"
        self.told = f"Runs {what} in a sandbox without network, {seconds:g} s at most; answers with the exit code and the output."

    async def run(self, context: Context, code: Annotated[str, "The whole script; it prints what is to be seen."]) -> str:
        """Run a script; the exit code and the output. Raises `SandboxUnavailable`: it is never run outside."""
        async with self._one:
            code_, output = await self._runner.run([CodeBlock(self._language, code)], context.chat)
        return f"exit code {code_}\n{output}"
