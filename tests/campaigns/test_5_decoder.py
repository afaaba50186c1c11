"""Coverage-guided fuzzing of every decoder of others' bytes: nothing but `BadMessage` comes of it, and memory does not grow."""

import asyncio
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.protocol.make_vectors import FOLDER

from rostra.protocol.frames import encode_body

from .conftest import sized

pytestmark = pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this Python")
DECODERS = 7


def corpus(folder: Path) -> Path:
    """The test vectors of the SPEC, for each decoder."""
    folder.mkdir()
    heads = json.loads((FOLDER / "heads.json").read_text())
    bodies = json.loads((FOLDER / "bodies.json").read_text())
    said = [bytes.fromhex(one["head"]) for lot in ("encoded", "also_accepted", "refused") for one in heads[lot]]
    told = [bytes.fromhex(one["body"]) for lot in ("accepted", "refused") for one in bodies[lot]]
    seeds = [b"\x00" + head for head in said]
    seeds += [bytes((decoder, 1)) + body for decoder in (1, 2, 5, 6) for body in told]
    seeds += [bytes((decoder, len(head))) + head + told[0] for decoder in (3, 4) for head in said if len(head) < 256]
    seeds.append(b"\x05" + b"\x91" * 700 + encode_body("Bearer abcdefghijklmnopqrstuvwxyz012345"))
    for number, seed in enumerate(seeds):
        (folder / str(number)).write_bytes(seed[:2048])
    return folder


async def fuzz(runs: int, folder: Path, *more: str) -> tuple[int, str, Path]:
    """Run the fuzzer; returns its exit code, what it printed, and where its report is if it came to its end."""
    report = folder / "report"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.campaigns.fuzz", str(runs), str(corpus(folder / "corpus")), str(report), *more),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, told.decode(errors="replace"), report


@pytest.mark.timeout(36_000)
async def test_no_decoder_raises_anything_else_whatever_a_fuzzer_finds(tmp_path: Path, tell: Callable[[str], None]) -> None:
    runs = sized(40_000, 1_000_000)
    code, told, report = await fuzz(runs, tmp_path)
    assert code == 0, told[-4000:]
    found = json.loads(report.read_text())
    assert found["runs"] == runs
    assert 0 < found["refused"] < runs
    assert found["grown"] <= 10 * 1024 * 1024, f"{found['grown'] / 1e6:.1f} MB more"
    said = f"{runs:,} inputs to {DECODERS} decoders, 0 unexpected exceptions, {found['refused']:,} refused"
    tell(f"coverage-guided fuzz: {said}, RSS {found['grown'] / 1e6:+.1f} MB over the second half")


@pytest.mark.timeout(600)
async def test_the_fuzzer_sees_a_planted_fault(tmp_path: Path, tell: Callable[[str], None]) -> None:
    code, told, report = await fuzz(300_000, tmp_path, "planted")
    assert code != 0, "nothing seen"
    assert "KeyError: 'planted'" in told, told[-4000:]
    assert not report.exists()
    tell("canary: a fault in the decoder of heads: seen by the fuzzer")
