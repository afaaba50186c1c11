"""Code runs in the sandbox, chat by chat, as root and as anybody; where there is none, it is refused."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from rostra.agents.code import CodeExecution, CodeRunner, SandboxUnavailable, find_blocks, sandbox

from .coding import BOUND, python, shell

pytestmark = pytest.mark.usefixtures("sandbox")


async def test_python_and_shell_run_and_their_output_is_told_in_order() -> None:
    code = "import sys\nprint('one')\nprint('two', file=sys.stderr)\nprint('three')"
    assert await python(code) == (0, "one\ntwo\nthree\n")
    assert await shell("echo one; echo two >&2; exit 3") == (3, "one\ntwo\n")


async def test_an_exception_is_told_with_its_traceback() -> None:
    code, output = await python("1 / 0")
    assert code == 1
    assert "ZeroDivisionError" in output


async def test_blocks_of_one_chat_share_a_work_directory_and_other_chats_do_not(runner: CodeRunner) -> None:
    assert await python("import os\nos.mkdir('d')\nopen('d/a.txt', 'w').write('kept')", runner, "one") == (0, "")
    assert await python("print(open('d/a.txt').read())", runner, "one") == (0, "kept\n")
    assert (await python("open('d/a.txt')", runner, "two"))[0] == 1
    assert await python("import os\nprint(os.listdir())", runner, "three") == (0, "['.block.python']\n")


async def test_a_block_can_be_kept_as_a_file_and_imported_by_the_next(runner: CodeRunner) -> None:
    blocks = find_blocks("```python\n# filename: helper.py\nx = 42\n```\n```python\nimport helper\nprint(helper.x)\n```")
    assert await runner.run(blocks, "one") == (0, "\n42\n")
    assert await python("import helper\nprint(helper.x)", runner, "one") == (0, "42\n")


async def test_work_survives_a_block_that_ran_out_of_time() -> None:
    runner = CodeRunner(CodeExecution(seconds=1.5))
    code, output = await python("open('a', 'w').write('x')\nimport time\ntime.sleep(60)", runner, "one")
    assert (code, output) == (124, "(ended: it ran for more than 1.5 s)\n")
    assert await python("import os\nprint(os.path.exists('a'))", runner, "one") == (0, "True\n")
    runner.close()


async def test_the_first_failing_block_is_the_last_one_run(runner: CodeRunner) -> None:
    blocks = find_blocks("```sh\necho a\n```\n```sh\nexit 5\n```\n```sh\necho c\n```")
    assert await runner.run(blocks) == (5, "a\n\n")


async def test_an_unknown_language_is_answered_and_not_run(runner: CodeRunner) -> None:
    assert await runner.run(find_blocks("```ruby\nputs 1\n```")) == (1, "unknown language ruby")


async def test_descriptors_and_memory_are_given_back(runner: CodeRunner) -> None:
    await python("open('a', 'w').write('x' * 1000)", runner, "one")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        await python("print(1)", runner, "one")
    assert len(os.listdir("/proc/self/fd")) == before


async def test_work_directories_least_recently_used_are_forgotten(monkeypatch: pytest.MonkeyPatch, runner: CodeRunner) -> None:
    monkeypatch.setattr("rostra.agents.code.runner.KEPT_CHATS", 2)
    for chat in ("one", "two", "three"):
        await python("open('a', 'w').write('x')", runner, chat)
    assert await python("import os\nprint(os.path.exists('a'))", runner, "one") == (0, "False\n")
    assert await python("import os\nprint(os.path.exists('a'))", runner, "three") == (0, "True\n")


async def test_root_and_plain_users_get_the_same_sandbox() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    # In a process of its own, which becomes nobody: then a user namespace does what root does itself.
    async with asyncio.timeout(BOUND):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", AS_NOBODY), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
    text = output.decode()
    if "namespace" in text and not os.environ.get("CI"):
        pytest.skip(text)
    assert text == "(0, '')\n(0, 'kept 0000000000000000\\n')\n(0, 'True\\n')\n"


AS_NOBODY = """
import asyncio, os, rostra.agents.code.sandbox, rostra.agents.code.runner
from rostra.agents.code import CodeExecution, CodeRunner, find_blocks
os.setgroups([]); os.setgid(65534); os.setuid(65534); os.environ["HOME"] = "/nonexistent"
BLOCKS = [
    "open('a', 'w').write('kept')",
    "print(open('a').read(), open('/proc/self/status').read().split('CapEff:')[1].split()[0])\\n"
    "assert not open('/proc/1/environ').read()",
    "import os, time\\nn = 0\\ntry:\\n  while True:\\n    n += 1\\n    if not os.fork(): time.sleep(60)\\n"
    "except BlockingIOError: print(n < 40)",
]
async def main():
    runner = CodeRunner(CodeExecution(seconds=20, processes=40))
    for block in BLOCKS:
        print(await runner.run(find_blocks(f"```python\\n{block}\\n```"), "chat"), flush=True)
asyncio.run(main())
"""


async def test_without_bubblewrap_code_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sandbox, "_probed", {})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailable, match=r"apt install bubblewrap.*never run outside"):
        await python("print(1)")


async def test_a_bubblewrap_that_fails_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sandbox, "_probed", {})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailable, match=r"No permissions.*Remedy: allow unprivileged user namespaces"):
        await python("print(1)")
