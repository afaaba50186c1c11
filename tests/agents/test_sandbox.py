"""Code runs in the sandbox, and nothing of it gets out."""

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from rostra.agents.code import CodeExecution, CodeRunner, SandboxUnavailable, find_blocks, sandbox, watch

BOUND = 60.0


async def until(condition: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - there is no event to wait on
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
async def working() -> None:
    """A sandbox works here: else the test is skipped, but fails on CI."""
    try:
        await sandbox.probe()
    except SandboxUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
async def runner() -> AsyncIterator[CodeRunner]:
    one = CodeRunner(CodeExecution(seconds=20))
    yield one
    one.close()


async def python(code: str, runner: CodeRunner | None = None, chat: str = "", **options: object) -> tuple[int, str]:
    one = runner or CodeRunner(msgspec.convert({"seconds": 20, **options}, CodeExecution))
    async with asyncio.timeout(BOUND):
        return await one.run(find_blocks(f"```python\n{code}\n```"), chat)


async def shell(code: str, **options: object) -> tuple[int, str]:
    one = CodeRunner(msgspec.convert({"seconds": 20, **options}, CodeExecution))
    async with asyncio.timeout(BOUND):
        return await one.run(find_blocks(f"```sh\n{code}\n```"))


# ---- what it is for


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


# ---- what it keeps in


async def test_nothing_of_the_host_is_reached_over_the_network() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        code = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 5)"
        status, output = await python(code)
    assert status == 1
    assert "ConnectionRefusedError" in output
    status, output = await python("import socket\nsocket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))")
    assert status == 1
    assert "unreachable" in output


async def test_no_datagram_arrives_at_the_host() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        code = f"import socket\nsocket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {server.getsockname()[1]}))"
        assert (await python(code))[0] == 0  # it goes to the sandbox's own loopback
        with pytest.raises(BlockingIOError):
            server.recv(1)


async def test_the_kernel_tells_nothing_and_takes_no_orders() -> None:
    code = """
import os
for path in ("/proc/kcore", "/proc/kmsg", "/proc/1/mem", "/proc/1/cwd/x", "/sys/kernel", "/dev/mem", "/dev/kmsg"):
    try:
        os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
        print("read", path)
    except OSError:
        pass
for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/1/oom_score_adj"):
    try:
        open(path, "w").write("1")
        print("written", path)
    except OSError:
        pass
print(sorted(os.listdir("/dev")))
"""
    status, output = await python(code)
    devices = (
        "['core', 'fd', 'full', 'null', 'ptmx', 'pts', 'random', 'shm', 'stderr', 'stdin', 'stdout', 'tty', 'urandom', 'zero']"
    )
    assert (status, output) == (0, f"{devices}\n")


async def test_new_namespaces_are_refused_to_programs_too() -> None:
    status, output = await shell("unshare -Ur id; unshare -m true; setpriv --reuid 0 id")
    assert status != 0
    assert "uid=0" not in output


async def test_the_network_is_there_when_it_is_asked_for() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        code = f"import socket\nsocket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 20).close()"
        assert await python(code, network=True) == (0, "")


async def test_sockets_of_the_host_are_not_reached(tmp_path: Path) -> None:
    abstract = f"\0rostra-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as hidden:
        named.bind(str(tmp_path / "s"))
        named.listen()
        hidden.bind(abstract)
        hidden.listen()
        for address, reason in ((str(tmp_path / "s"), "FileNotFoundError"), (abstract, "ConnectionRefusedError")):
            status, output = await python(f"import socket\nsocket.socket(socket.AF_UNIX).connect({address!r})")
            assert (status, reason in output) == (1, True), output


async def test_only_the_families_of_its_own_network_are_open() -> None:
    code = """
import socket
for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):
    socket.socket(family).close()
for family in (40, 38, 17, 16 + 1, 29, 44):
    try:
        socket.socket(family)
        print("open:", family)
    except OSError as error:
        assert error.errno == 97, error
"""
    assert await python(code) == (0, "")


async def test_files_of_the_host_are_neither_seen_nor_written(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    for path in (str(secret), "/etc/passwd", "/etc/shadow", str(Path(__file__)), "/proc/1/root" + "/etc/shadow"):
        status, output = await python(f"print(open({path!r}).read())")
        assert status == 1, output
        assert "FileNotFoundError" in output or "PermissionError" in output
    for path in ("/x", "/usr/x", "/etc/x", "/dev/x", "/proc/sys/kernel/hostname", f"{os.path.dirname(os.__file__)}/x"):
        status, output = await python(f"open({path!r}, 'w').write('x')")
        assert status == 1, path
        assert any(word in output for word in ("Read-only", "Permission", "No such file")), output


async def test_no_environment_of_the_host_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSTRA_TEST_SECRET", "hunter2")
    code = """
import os
seen = str(dict(os.environ))
for each in os.listdir("/proc"):
    if each.isdigit():
        for name in ("environ", "cmdline"):
            try:
                seen += open(f"/proc/{each}/{name}").read()
            except OSError:
                pass
print("hunter2" in seen, "ROSTRA" in seen)
"""
    assert await python(code) == (0, "False False\n")


async def test_it_is_nobody_without_capabilities() -> None:
    code = """
import os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(status["CapEff"].strip(), status["CapPrm"].strip(), status["CapAmb"].strip(), status["NoNewPrivs"].strip())
print(status["Seccomp"].strip(), os.getpid() < 50)
try:
    os.setuid(0)
    print("is root", os.getuid())
except OSError:
    pass
"""
    assert await python(code) == (0, "0000000000000000 0000000000000000 0000000000000000 1\n2 True\n")


async def test_denied_system_calls_fail() -> None:
    code = """
import ctypes, errno, os, platform
libc = ctypes.CDLL(None, use_errno=True)
x86 = platform.machine() == "x86_64"
calls = {
    "memfd_create": ((319, 279), (b"x", 0)), "keyctl": ((250, 219), (0, -3, 0)),
    "add_key": ((248, 217), (b"user", b"a", b"b", 1, -3)), "shmget": ((29, 194), (0, 4096, 0o1600)),
    "request_key": ((249, 218), (b"user", b"a", 0, -3)), "ptrace": ((101, 117), (16, 1, 0, 0)), "bpf": ((321, 280), (0, 0, 0)),
    "perf_event_open": ((298, 241), (0, 0, -1, -1, 0)), "userfaultfd": ((323, 282), (1,)), "unshare": ((272, 97), (0x10000000,)),
    "setns": ((308, 268), (0, 0)), "mount": ((165, 40), (b"x", b"/tmp", b"tmpfs", 0, 0)),
    "kexec_load": ((246, 104), (0, 0, 0, 0)), "chroot": ((161, 51), (b"/tmp",)), "open_by_handle_at": ((304, 265), (0, 0, 0)),
    "clone": ((56, 220), (0x10000000 | 17, 0, 0, 0, 0)), "personality": ((135, 92), (0x0040000,)),
}
absent = {"io_uring_setup": (425, (1, 0)), "clone3": (435, (0, 0))}
for name, (numbers, arguments) in calls.items():
    result = libc.syscall(numbers[0 if x86 else 1], *arguments)
    if (result, ctypes.get_errno()) != (-1, errno.EPERM):
        print(name, result, ctypes.get_errno())
for name, (number, arguments) in absent.items():
    result = libc.syscall(number, *arguments)
    if (result, ctypes.get_errno()) != (-1, errno.ENOSYS):
        print(name, result, ctypes.get_errno())
"""
    assert await python(code) == (0, "")


async def test_calls_of_another_machine_kill_the_process() -> None:
    code = "import ctypes\nctypes.CDLL(None).syscall(0x40000000 + 39)\nprint('alive')"
    if os.uname().machine != "x86_64":
        pytest.skip("only x86_64 has a second set of calls")
    status, output = await python(code)
    assert (status, "alive" in output) == (128 + 31, False)


async def test_a_fork_bomb_is_held_to_its_number_of_processes() -> None:
    code = """
import os, time
count = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60)
        count += 1
except BlockingIOError:
    print(10 < count < 40)
"""
    assert await python(code, processes=40) == (0, "True\n")
    status, _ = await shell(":(){ :|:& };:; wait", seconds=2)
    assert status is not None


async def test_a_memory_bomb_gets_a_memory_error() -> None:
    status, output = await python("x = bytearray(10**9)", memory_mb=256)
    assert status == 1
    assert "MemoryError" in output


async def test_processes_together_are_held_to_the_memory_too() -> None:
    code = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        x = bytearray(os.urandom(1 << 20)) * 60
        time.sleep(60)
time.sleep(60)
"""
    status, output = await python(code, memory_mb=128)
    assert status != 0
    assert "more than 128 MiB of memory together" in output


async def test_memory_that_processes_share_counts_too() -> None:
    code = """
import mmap, os, time
shared = mmap.mmap(-1, 400 << 20)
for _ in range(4):
    if os.fork() == 0:
        for place in range(0, len(shared), 4096):
            shared[place] = 1
        time.sleep(60)
time.sleep(60)
"""
    status, output = await python(code, memory_mb=128)
    assert status != 0
    assert "more than 128 MiB of memory together" in output or "MemoryError" in output or "Cannot allocate" in output


@pytest.mark.parametrize("place", ["/sandbox", "/tmp", "/dev/shm"])
async def test_every_writable_place_is_bounded(place: str) -> None:
    code = f"""
import errno
written = 0
try:
    for number in range(100):
        with open(f"{place}/big{{number}}", "wb", buffering=0) as out:
            for _ in range(4):
                written += out.write(bytes(1 << 20))
except OSError as error:
    assert error.errno == errno.ENOSPC, error
print(written <= 17 << 20)
"""
    assert await python(code, scratch_mb=8) == (0, "True\n")


async def test_countless_small_files_end_the_block() -> None:
    code = "import os\nfor number in range(10**7):\n    os.close(os.open(f'/tmp/{number}', os.O_CREAT))"
    status, output = await python(code, seconds=50)
    assert status != 0
    assert "files" in output


async def test_a_busy_loop_is_ended_when_its_time_is_over() -> None:
    begun = time.monotonic()
    assert await python("while True: pass", seconds=1) == (124, "(ended: it ran for more than 1 s)\n")
    assert time.monotonic() - begun < 30


async def test_a_flood_of_output_is_cut_and_ended() -> None:
    status, output = await shell("yes", output_kb=4, seconds=50)
    assert status != 0
    assert len(output) < 4096 + 200
    assert "bytes are left out" in output
    assert "it wrote more than" in output


async def test_the_beginning_and_the_end_of_long_output_are_kept() -> None:
    status, output = await python("print('first')\nprint('x' * 10_000)\nprint('last')", output_kb=1)
    assert status == 0
    assert output.startswith("first")
    assert output.endswith("last\n")
    assert len(output) < 1200


async def test_survivors_of_a_block_are_gone_with_it(runner: CodeRunner) -> None:
    mark = f"rostra-survivor-{os.getpid()}"
    code = f"""
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time, signal; time.sleep(600)", "{mark}"])
    os._exit(0)
os.wait()
print("done")
"""
    assert await python(code, runner, "one") == (0, "done\n")
    assert not _alive(mark)


async def test_a_sandbox_dies_with_its_agent() -> None:
    mark = f"rostra-orphan-{os.getpid()}"
    block = f"import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)', {mark!r}])"
    agent = (
        "import asyncio, sys\nfrom rostra.agents.code import CodeExecution, CodeRunner, CodeBlock\n"
        "asyncio.run(CodeRunner(CodeExecution(seconds=600)).run([CodeBlock('python', sys.argv[1])]))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", agent, block)
    await until(lambda: bool(_alive(mark)), BOUND)
    process.kill()
    await process.wait()
    await until(lambda: not _alive(mark), BOUND)


async def test_a_block_that_kills_everything_it_can_ends_only_itself(runner: CodeRunner) -> None:
    status, _ = await python("import os, signal\nos.kill(-1, signal.SIGKILL)\nos.kill(1, signal.SIGKILL)", runner, "one")
    assert status != 0
    assert await python("print('again')", runner, "one") == (0, "again\n")


async def test_a_block_that_stops_its_keeper_is_ended_from_outside() -> None:
    code = "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\nimport time\ntime.sleep(600)"
    status, output = await python(code, seconds=0.5)
    assert (status, output) == (124, "(ended: it ran for more than 0.5 s)\n")


async def test_a_cancelled_run_leaves_no_process() -> None:
    before = set(watch.tree(os.getpid()))
    running = asyncio.create_task(python("import time\nprint('x', flush=True)\ntime.sleep(600)", seconds=100))
    await until(lambda: len(set(watch.tree(os.getpid())) - before) >= 3, BOUND)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert set(watch.tree(os.getpid())) <= before


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


async def test_a_work_directory_that_links_outside_reaches_nothing(runner: CodeRunner) -> None:
    await python("import os\nos.symlink('/etc/shadow', 'link')\nos.symlink('/sandbox/../tmp/x', '.block.sh')", runner, "one")
    assert (await runner.run(find_blocks("```sh\ncat link\n```"), "one"))[0] == 1


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


# ---- where it does not work


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


def _alive(mark: str) -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if mark in Path("/proc", pid, "cmdline").read_text().split("\0"):
                found.append(pid)
    return found
