"""How an agent runs code."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class CodeExecution(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `code_execution` of a team file. Sizes are in MiB, and KiB for the output."""

    sandbox: Literal["bubblewrap", "docker", "jupyter"] = "bubblewrap"
    seconds: Annotated[float, Meta(gt=0, le=86_400)] = 30.0
    """Wall-clock and processor time of one block."""
    memory_mb: Annotated[int, Meta(ge=16)] = 512
    """Of all processes of one block together."""
    network: bool = False
    last_messages: Annotated[int, Meta(ge=1)] | Literal["auto"] = "auto"
    """How many messages are searched for code; auto: back to the agent's own last one."""
    scratch_mb: Annotated[int, Meta(ge=1, le=4096)] = 64
    """Of the work directory, which the blocks of one chat share, and of /tmp."""
    output_kb: Annotated[int, Meta(ge=1, le=512)] = 64
    """Of output that is reported; from a longer one the middle is left out."""
    image: str = "python:3.12-slim"
    """docker: what the container is made of; it has `python3` and `sh`, and is on the machine already."""
    processes: Annotated[int, Meta(ge=8, le=4096)] = 64
    """Processes and threads at once."""
    approval: bool = False
    """Whether a person must say yes to the code before it runs."""
