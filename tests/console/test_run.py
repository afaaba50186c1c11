"""`rostra run`: the outcome is the exit code, the stream is exact, signals are heeded, nothing is left behind."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from .conftest import SECONDS, Cli, Write

SCRIPTED = """
[team]
name = "{name}"
[chat]
selection = "round_robin"
max_rounds = {rounds}
stop = '{stop}'
[models.default]
api = "scripted"
script = "script.toml"
[agents.ada]
[agents.bob]
{more}
"""


def scripted(
    write: Write, script: str, *, name: str = "crew", rounds: int = 6, stop: str = 'text("DONE")', more: str = ""
) -> str:
    return str(write(SCRIPTED.format(name=name, rounds=rounds, stop=stop, more=more), script__toml=script))


PLAIN = 'ada = ["one", "three", "five"]\nbob = ["two", "DONE", "six"]\n'
FAILING = 'def fail(message, context):\n    raise ValueError("no luck")\n\n\ndef fine(message, context):\n    return "fine"\n'
HANDLERS = """
[chat]
selection = "round_robin"
turn_retries = 0
max_rounds = 30
[agents.fail]
kind = "handler"
handler = "handlers:fail"
[agents.worse]
kind = "handler"
handler = "handlers:fail"
"""
PERSON = '[agents.you]\nkind = "user_proxy"\nhuman_input = "always"\n'


def test_a_chat_that_a_rule_ends_is_a_success(rostra: Cli, team_file: Write) -> None:
    done = rostra("run", scripted(team_file, PLAIN), "begin")
    assert "[1/6] user\n  begin\n" in done.out
    assert "[5/6] bob\n  DONE\n" in done.out
    assert "✓ ended: bob said 'DONE'" in done.out
    assert "next: ada (next in rotation)" in done.err
    assert "\x1b" not in done.out + done.err


def test_a_chat_that_reaches_a_limit_ends_with_5(rostra: Cli, team_file: Write) -> None:
    done = rostra("run", scripted(team_file, PLAIN, rounds=3), "begin", code=5)
    assert "✗ stopped at a limit" in done.out


def test_a_chat_that_waits_for_a_person_ends_with_6(rostra: Cli, team_file: Write) -> None:
    path = scripted(team_file, PLAIN, more=PERSON)
    assert "waits for a person" in rostra("run", path, "begin", "--no-input", code=6).out
    assert "waits for a person" in rostra("run", path, "begin", code=6).out  # stdin is no terminal


def test_a_chat_whose_members_all_fail_does_not_end_well(rostra: Cli, team_file: Write) -> None:
    path = team_file(HANDLERS, handlers__py=FAILING)
    done = rostra("run", str(path), "begin", code=7)
    assert "no luck" in done.out


def test_the_time_limit_ends_a_chat_with_5(rostra: Cli, team_file: Write) -> None:
    path = scripted(team_file, 'ada = [{ text = "slow", delay = 50 }]\nbob = []\n')
    done = rostra("run", path, "begin", "--timeout", "0.5", code=5)
    assert "the time limit of 0.5 s" in done.out


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("[chat]\nselektion = 'auto'\n", "selektion"),
        ("no toml", "no valid TOML"),
        ("[models.default]\nmodel = 'm'\napi_key = 'sk-123'\n", "api_key"),
    ],
)
def test_a_bad_team_file_ends_with_3_and_starts_nothing(rostra: Cli, team_file: Write, broken: str, said: str) -> None:
    path = team_file(broken)
    for command in (("run", str(path), "begin"), ("up", str(path)), ("validate", str(path))):
        done = rostra(*command, code=3)
        assert f"rostra: {path}:" in done.err
        assert said in done.err
        assert done.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "team.toml"),
        ("run", "a", "b", "--nonsense"),
        ("nonsense",),
        ("chat",),
        ("chat", "nonsense"),
        ("answer", "x", "y"),
    ],
)
def test_a_wrong_call_ends_with_2(rostra: Cli, arguments: tuple[str, ...]) -> None:
    assert rostra(*arguments, code=2).err


def test_a_command_without_a_team_that_runs_ends_with_4(rostra: Cli) -> None:
    for arguments in (("ps",), ("ask", "ada", "hi"), ("inbox",), ("down",), ("pub", "a", "b"), ("chat", "say", "x", "hi")):
        assert "no team runs here" in rostra(*arguments, code=4).err


def test_the_stream_is_exact(rostra: Cli, team_file: Write) -> None:
    lines = rostra("run", scripted(team_file, PLAIN), "begin", "--json", "--chat", "c-1").lines
    assert [line["type"] for line in lines if line["type"] != "selected"] == ["started", *["message"] * 5, "result"]
    messages = [line for line in lines if line["type"] == "message"]
    assert [line["seq"] for line in messages] == [1, 2, 3, 4, 5]
    assert [line["speaker"] for line in messages] == ["user", "ada", "bob", "ada", "bob"]
    assert [line["content"] for line in messages] == ["begin", "one", "two", "three", "DONE"]
    keys = {"type", "seq", "speaker", "role", "content", "tool_calls", "tool_responses"}
    assert all(line.keys() == keys for line in messages)
    selected = [line for line in lines if line["type"] == "selected"]
    assert [(line["seq"], line["speaker"]) for line in selected] == [(2, "ada"), (3, "bob"), (4, "ada"), (5, "bob")]
    assert all(line.keys() == {"type", "seq", "speaker", "why"} and line["why"] for line in selected)
    result = lines[-1]
    assert result["chat"] == "c-1"
    assert result["messages"] == 5
    assert result["outcome"] == "ended"
    assert result["stop_reason"]
    assert result["usage"].keys() == {"prompt_tokens", "completion_tokens", "cost", "estimated"}
    assert result["seconds"] > 0


def test_pieces_are_in_the_stream_when_they_are_wanted(rostra: Cli, team_file: Write) -> None:
    path = scripted(team_file, 'ada = [{ text = "one and two DONE", delay = 0.3 }]\nbob = []\n')
    lines = rostra("run", path, "begin", "--json", "--deltas").lines
    pieces = [line for line in lines if line["type"] == "delta"]
    assert "".join(line["text"] for line in pieces) == "one and two DONE"
    assert all(line["seq"] == 2 and line["speaker"] == "ada" for line in pieces)


def test_a_failure_is_in_the_stream(rostra: Cli, team_file: Write) -> None:
    path = team_file(HANDLERS, handlers__py=FAILING)
    lines = rostra("run", str(path), "begin", "--json", code=7).lines
    failed = [line for line in lines if line["type"] == "failed"]
    assert failed
    assert all(line.keys() == {"type", "seq", "speaker", "error"} and "no luck" in line["error"] for line in failed)
    assert lines[-1]["type"] == "result"


def test_a_question_is_in_the_stream(rostra: Cli, team_file: Write) -> None:
    lines = rostra("run", scripted(team_file, PLAIN, more=PERSON), "begin", "--json", code=6).lines
    assert lines[-1]["outcome"] == "waits"


def test_the_task_may_come_from_stdin(rostra: Cli, team_file: Write) -> None:
    lines = rostra("run", scripted(team_file, PLAIN), "-", "--json", text="from stdin\n").lines
    assert lines[1]["content"] == "from stdin"


def test_options_may_come_from_the_environment(rostra: Cli, team_file: Write) -> None:
    path = scripted(team_file, PLAIN)
    lines = rostra("run", path, "begin", ROSTRA_JSON="1", ROSTRA_RUN_ROUNDS="2", ROSTRA_RUN_CHAT="c-env", code=5).lines
    assert lines[-1]["chat"] == "c-env"
    assert lines[-1]["messages"] == 2


def test_members_can_be_chosen(rostra: Cli, team_file: Write) -> None:
    path = scripted(team_file, PLAIN + 'eve = ["DONE"]\n', more="[agents.eve]\n")
    lines = rostra("run", path, "begin", "--json", "--members", "eve,ada").lines
    assert [line["speaker"] for line in lines if line["type"] == "message"] == ["user", "eve"]


def test_what_models_say_is_recorded_and_never_over_a_file(rostra: Cli, team_file: Write, tmp_path: Path) -> None:
    path, recording = scripted(team_file, PLAIN), tmp_path / "recording.jsonl"
    rostra("run", path, "begin", "--record", str(recording))
    assert len(recording.read_text(encoding="utf-8").splitlines()) == 4
    assert "already exists" in rostra("run", path, "begin", "--record", str(recording), code=1).err


def test_a_transcript_outlives_the_run(rostra: Cli, team_file: Write) -> None:
    rostra("run", scripted(team_file, PLAIN), "begin", "--chat", "c-1")
    (info,) = rostra("chat", "list", "--json").json
    assert (info["chat"], info["state"], info["messages"]) == ("c-1", "ended", 5)
    assert "[5/6] bob\n  DONE\n" in rostra("chat", "show", "c-1").out
    verdict = rostra("chat", "verify", "c-1", "--json").json
    assert verdict["intact"] is True
    assert len(verdict["head"]) == 64
    assert "next in rotation" in rostra("chat", "why", "c-1", "2").out
    assert [line["type"] for line in rostra("chat", "show", "c-1", "--json").lines] == ["message"] * 5 + ["result"]
    assert "there is no chat 'c-2'" in rostra("chat", "show", "c-2", code=1).err


@pytest.mark.parametrize("format_", ["md", "json", "jsonl", "html"])
def test_a_transcript_is_exported(rostra: Cli, team_file: Write, tmp_path: Path, format_: str) -> None:
    evil = "<script>alert(1)</script> \\u001b[2J ``` & co"
    rostra("run", scripted(team_file, f'ada = ["{evil}"]\nbob = ["DONE"]\n'), "begin", "--chat", "c-1")
    text = rostra("chat", "export", "c-1", "--format", format_).out
    assert "\x1b" not in text
    match format_:
        case "html":
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
            assert "<script" not in text
        case "json":
            assert [message["speaker"] for message in json.loads(text)["messages"]] == ["user", "ada", "bob"]
        case "jsonl":
            assert json.loads(text.splitlines()[-1])["type"] == "result"
        case "md":
            assert "## 3. bob" in text
    to = tmp_path / "out"
    rostra("chat", "export", "c-1", "-f", format_, "-o", str(to))
    assert to.read_text(encoding="utf-8") == text


SLOW = 'ada = ["one", { text = "never", delay = 100 }]\nbob = ["two"]\n'


def signalled(rostra: Cli, path: str, number: signal.Signals) -> tuple[int, list[dict[str, object]], str]:
    """A run that gets a signal when message 4 is being written: exit code, JSON Lines, stderr."""
    running = rostra.start("run", path, "begin", "--json", "--chat", "c-1")
    assert running.stdout is not None
    lines = []
    for line in running.stdout:
        lines.append(json.loads(line))
        if lines[-1]["type"] == "selected" and lines[-1]["seq"] == 4:
            running.send_signal(number)
    running.wait(SECONDS)
    _, err = running.communicate()
    return running.returncode, lines, err


def test_sigterm_ends_the_chat_gently(rostra: Cli, team_file: Write) -> None:
    code, lines, err = signalled(rostra, scripted(team_file, SLOW), signal.SIGTERM)
    assert code == 143, err
    assert (lines[-1]["type"], lines[-1]["outcome"]) == ("result", "stopped")
    assert "SIGTERM" in str(lines[-1]["stop_reason"])
    assert rostra("chat", "verify", "c-1", "--json").json["messages"] == 3


def test_ctrl_c_pauses_a_chat_without_an_admin_and_it_goes_on_later(rostra: Cli, team_file: Write) -> None:
    path = scripted(team_file, SLOW)
    code, lines, err = signalled(rostra, path, signal.SIGINT)
    assert code == 130, err
    assert f"rostra run {path} --resume c-1" in err
    assert lines[-1] == {"type": "state", "state": "paused"}
    (info,) = rostra("chat", "list", "--json").json
    assert (info["state"], info["messages"]) == ("paused", 3)
    scripted(team_file, 'ada = ["one", "DONE"]\nbob = ["two"]\n')
    lines = rostra("run", path, "--resume", "c-1", "--json").lines
    assert [line["seq"] for line in lines if line["type"] == "message"] == [3, 4]
    assert (lines[-1]["outcome"], lines[-1]["messages"]) == ("ended", 4)
    kept = [record["control"]["what"] for record in exported(rostra) if record.get("control")]
    assert kept == ["pause", "resume"]
    assert "ended" in rostra("run", path, "--resume", "c-1", "--json").out
    assert "either a TASK, or --resume" in rostra("run", path, code=2).err


def exported(rostra: Cli) -> list[dict[str, dict[str, str]]]:
    records: list[dict[str, dict[str, str]]] = rostra("chat", "export", "c-1", "-f", "json").json["records"]
    return records


def test_a_second_signal_ends_everything_at_once(rostra: Cli, team_file: Write) -> None:
    handlers = "import time\n\n\ndef stubborn(message, context):\n    time.sleep(60)\n"
    text = (
        '[chat]\nselection = "round_robin"\n[agents.stubborn]\nkind = "handler"\nhandler = "handlers:stubborn"\n'
        '[agents.other]\nkind = "handler"\nhandler = "handlers:stubborn"\n'
    )
    running = rostra.start("run", str(team_file(text, handlers__py=handlers)), "begin", "--json")
    assert running.stdout is not None
    for line in running.stdout:
        if json.loads(line)["type"] == "selected":
            break
    pids = children(running.pid)
    began = time.monotonic()
    running.send_signal(signal.SIGINT)
    assert running.stderr is not None
    assert any("once more" in line for line in running.stderr), "it says how to end at once"
    running.send_signal(signal.SIGINT)
    _, err = running.communicate()
    assert running.returncode == 130, err
    assert time.monotonic() - began < 30
    assert not [pid for pid in pids if alive(pid)]


def test_nothing_is_left_running(rostra: Cli, team_file: Write) -> None:
    running = rostra.start("run", scripted(team_file, PLAIN), "begin", "--json")
    assert running.stdout is not None
    pids: set[int] = set()
    for _ in running.stdout:
        pids |= children(running.pid)
    running.wait(SECONDS)
    running.communicate()
    assert running.returncode == 0
    assert not [pid for pid in pids if alive(pid)]


def test_no_process_leaves_a_warning_behind(rostra: Cli, team_file: Write) -> None:
    done = rostra("run", scripted(team_file, PLAIN), "x", PYTHONWARNINGS="default", XDG_RUNTIME_DIR="")
    assert "Warning" not in done.err


def test_the_same_team_runs_side_by_side(rostra: Cli, team_file: Write) -> None:
    path = scripted(team_file, 'ada = [{ text = "DONE", delay = 0.5 }]\nbob = []\n')
    both = [rostra.start("run", path, "begin", "--chat", f"c-{number}") for number in range(2)]
    for one in both:
        out, err = one.communicate(timeout=SECONDS)
        assert one.returncode == 0, err
        assert "DONE" in out


def test_errors_are_a_sentence_and_a_traceback_only_on_request(rostra: Cli) -> None:
    shown = rostra.start("ps", ROSTRA_DEBUG="1")
    _, err = shown.communicate(timeout=SECONDS)
    assert shown.returncode == 4
    assert "Traceback" in err


def children(pid: int) -> set[int]:
    """The processes below `pid`, at any depth."""
    found: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            child = int(entry.parent.name)
            found |= {child, *children(child)}
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
