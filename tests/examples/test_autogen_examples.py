"""The examples of AutoGen's documentation run here, on scripted models, with real code execution."""

import subprocess
import sys

import pytest
from tests.console.conftest import EXAMPLES, SECONDS

HERE = EXAMPLES / "autogen"


def printed(name: str) -> str:
    done = subprocess.run([sys.executable, HERE / name], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_script_is_named_in_the_readme_and_tested_here() -> None:
    scripts = {path.name for path in HERE.glob("*.py")}
    assert scripts == {line.split("`")[1] for line in (HERE / "README.md").read_text().splitlines() if line.startswith("| `")}
    source = (EXAMPLES.parent / "tests" / "examples" / "test_autogen_examples.py").read_text()
    assert all(f'"{name}"' in source for name in scripts)


@pytest.mark.semantics("S1.26")
def test_code_is_written_by_one_agent_and_run_by_the_other(sandbox: None) -> None:
    out = printed("code_execution.py")
    assert "exitcode: 0 (execution succeeded)\nCode output: Primes below 20: [2, 3, 5, 7, 11, 13, 17, 19]" in out
    assert out.endswith("ended: user received a termination message\n")


@pytest.mark.semantics("S1.22", "S1.24")
def test_a_tool_is_called_by_one_agent_and_run_by_the_other() -> None:
    out = printed("tool_use.py")
    assert "user (tool): 22.00 USD\n\nError: Expected `float`, got `str`" in out
    assert "assistant (user): 20 euros are 22 dollars." in out


@pytest.mark.semantics("S1.19", "S1.20")
def test_summaries_are_carried_over() -> None:
    out = printed("sequential_chats.py")
    assert out.startswith("Write one sentence about the tides.\nContext: \nFor a calendar.\nTides follow the moon; ")
    assert "Gezeiten.\nfacts: " in out


@pytest.mark.semantics("S1.21")
def test_an_answer_comes_out_of_inner_chats() -> None:
    assert printed("nested_chats.py").endswith("writer: A broker hands messages on.\n")


@pytest.mark.semantics("S1.33")
def test_what_was_taught_is_known_in_the_next_chat() -> None:
    assert printed("teachable.py").startswith("remembered: weekly report: Three bullet points, no more.\n- sold")


@pytest.mark.semantics("S2.7")
def test_a_graph_says_who_may_follow_whom() -> None:
    said = [line.partition(":")[0] for line in printed("fsm_group_chat.py").splitlines()]
    assert said == ["boss", "planner", "coder", "tester", "coder", "tester", "planner", "ended"]


@pytest.mark.semantics("S2.12", "S1.26")
def test_a_research_team_plans_writes_code_runs_it_and_reads_what_comes_out(sandbox: None) -> None:
    lines = printed("research_team.py").splitlines()
    names = ("admin", "planner", "critic", "engineer", "executor", "scientist")
    assert [line.partition(":")[0] for line in lines if line.partition(":")[0] in names] == [
        "admin",
        "planner",
        "critic",
        "planner",
        "admin",
        "engineer",
        "executor",
        "scientist",
    ]
    assert "executor: exitcode: 0 (execution succeeded)" in lines
    assert "Code output: agent 3" in lines
    assert lines[-1] == "ended: scientist said 'TERMINATE'"


@pytest.mark.semantics("S2.16")
def test_a_group_chat_is_one_agent_of_another() -> None:
    out = printed("society_of_mind.py").splitlines()
    assert out[:2] == ["  (optimist: It will work.)", "  (sceptic: It will work once it is tested.)"]
    assert out[3] == "society: It will work once it is tested."
