"""Code in the sandbox reaches nothing of the host: no network, no socket, no file, no right."""

import os
import socket
from pathlib import Path

import pytest

from rostra.agents.code import CodeRunner, find_blocks

from .coding import python, shell

pytestmark = pytest.mark.usefixtures("sandbox")


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


async def test_a_work_directory_that_links_outside_reaches_nothing(runner: CodeRunner) -> None:
    await python("import os\nos.symlink('/etc/shadow', 'link')\nos.symlink('/sandbox/../tmp/x', '.block.sh')", runner, "one")
    assert (await runner.run(find_blocks("```sh\ncat link\n```"), "one"))[0] == 1
