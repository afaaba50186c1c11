"""What tools have begun and done, and what a second try makes of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rostra.agents.responder import Context
from rostra.agents.tools import ToolBox, tool
from rostra.agents.tools.journal import Task, ToolJournal, canonical
from rostra.protocol import ToolCall

TURN = b"coordinator/turn 7"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[ToolJournal]:
    journal = ToolJournal(tmp_path / "state" / "ann.db")
    yield journal
    journal.close()


def called(task: Task, tool: str, arguments: str, answer: str | None = None) -> None:
    """Make a call, and come to its end if there is an `answer`."""
    assert task.recall([(tool, arguments)]) == [None]
    number = task.begin(tool, arguments)
    if answer is not None:
        task.done(number, answer)


def test_a_first_try_makes_every_call_also_the_same_one_twice(journal: ToolJournal) -> None:
    task = journal.task(TURN)
    called(task, "pay", '{"to": "bob"}', "paid")
    called(task, "pay", '{"to": "bob"}', "paid")
    assert [each.answer for each in journal.begun(task._key)] == ["paid", "paid"]


def test_a_second_try_has_the_answers_of_what_was_done_and_does_it_no_more(journal: ToolJournal) -> None:
    first = journal.task(TURN)
    called(first, "count", "{}", "1")
    called(first, "count", "{}", "2")
    second = journal.task(TURN)
    assert second.recall([("count", "{}"), ("count", "{}"), ("count", "{}")]) == ["1", "2", None]


def test_an_interrupted_call_has_an_unknown_outcome(journal: ToolJournal) -> None:
    called(journal.task(TURN), "pay", '{"to": "bob", "sum": 5}')
    second = journal.task(TURN)
    (answer,) = second.recall([("pay", '{"sum":5,"to":"bob"}')])
    assert answer is not None
    assert answer.startswith("Error: unknown_outcome: ")
    called(second, "pay", '{"to": "bob", "sum": 5}', "paid")  # who was told may decide to


def test_a_third_try_knows_what_both_before_it_did(journal: ToolJournal) -> None:
    called(journal.task(TURN), "pay", "{}")
    second = journal.task(TURN)
    second.recall([("pay", "{}")])
    called(second, "pay", "{}", "paid")
    unknown, done, fresh = journal.task(TURN).recall([("pay", "{}")] * 3)
    assert "unknown_outcome" in str(unknown)
    assert (done, fresh) == ("paid", None)


def test_a_model_that_calls_otherwise_is_first_told_what_was_called_already(journal: ToolJournal) -> None:
    first = journal.task(TURN)
    called(first, "mail", '{"to":"ann"}', "sent")
    called(first, "mail", '{"to":"bob"}')
    second = journal.task(TURN)
    (told,) = second.recall([("mail", '{"to":"cyd"}')])
    assert told is not None
    assert told.startswith("Error: not run: ")
    assert '- {"to":"ann"}: done, sent' in told
    assert '- {"to":"bob"}: unknown_outcome' in told
    called(second, "mail", '{"to":"cyd"}', "sent")


def test_calls_made_together_find_their_own_answers_before_others_are_reminded(journal: ToolJournal) -> None:
    called(journal.task(TURN), "mail", '{"to":"bob"}', "sent")
    second = journal.task(TURN)
    assert second.recall([("mail", '{"to":"ann"}'), ("mail", '{"to":"bob"}')]) == [None, "sent"]


def test_other_work_and_other_tools_are_not_concerned(journal: ToolJournal) -> None:
    called(journal.task(TURN), "pay", "{}")
    assert journal.task(b"coordinator/turn 8").recall([("pay", "{}")]) == [None]
    assert journal.task(TURN).recall([("post", "{}")]) == [None]


def test_it_is_kept_by_another_process_of_the_name(journal: ToolJournal, tmp_path: Path) -> None:
    called(journal.task(TURN), "pay", "{}", "paid")
    other = ToolJournal(tmp_path / "state" / "ann.db")
    assert other.task(TURN).recall([("pay", "{}")]) == ["paid"]
    other.close()


def test_old_calls_are_forgotten(journal: ToolJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rostra.agents.tools.journal.KEPT", 10)
    task = journal.task(TURN)
    for number in range(200):
        task.done(task.begin("pay", str(number)), "paid")
    assert 10 <= len(journal.begun(task._key)) <= 10 + 64
    assert journal.begun(task._key)[-1].arguments == "199"


def test_arguments_that_are_no_json_are_taken_as_they_are() -> None:
    assert canonical("{a:") == "{a:"
    assert canonical('{"b": 1, "a": 2}') == '{"a":2,"b":1}'


class Effects:
    """Tools that leave a trace."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.box = ToolBox([tool(self.pay), tool(repeatable=True)(self.look), tool(self.fail)])

    def pay(self, to: str) -> str:
        """Pay."""
        self.done.append(f"paid {to}")
        return f"paid {to}"

    def look(self) -> str:
        """Look."""
        self.done.append("looked")
        return "seen"

    def fail(self) -> str:
        """Fail."""
        self.done.append("failed")
        raise OSError("no")

    async def run(self, journal: ToolJournal, *calls: tuple[str, str]) -> list[str]:
        context = Context(agent="ann", journal=journal.task(TURN))
        made = [ToolCall(id=f"{number}", name=name, arguments=arguments) for number, (name, arguments) in enumerate(calls)]
        return [response.content for response in await self.box.run(made, context)]


async def test_a_tool_that_was_done_is_answered_from_the_journal(journal: ToolJournal) -> None:
    effects = Effects()
    first = await effects.run(journal, ("pay", '{"to":"bob"}'), ("fail", "{}"))
    assert await effects.run(journal, ("pay", '{"to": "bob"}'), ("fail", "{}")) == first == ["paid bob", "Error: OSError: no"]
    assert sorted(effects.done) == ["failed", "paid bob"]


async def test_a_tool_that_only_reads_is_run_again(journal: ToolJournal) -> None:
    effects = Effects()
    assert await effects.run(journal, ("look", "{}"), ("nothing", "{}")) == ["seen", "Error: Function nothing not found."]
    assert await effects.run(journal, ("look", "{}")) == ["seen"]
    assert effects.done == ["looked", "looked"]


async def test_an_unknown_outcome_runs_nothing_until_it_is_called_for_again(journal: ToolJournal) -> None:
    effects = Effects()
    journal.task(TURN).begin("pay", '{"to":"bob"}')
    context, call = Context(agent="ann", journal=journal.task(TURN)), ToolCall(id="1", name="pay", arguments='{"to":"bob"}')
    told, paid = await effects.box.run([call], context), await effects.box.run([call], context)
    assert "unknown_outcome" in told[0].content
    assert paid[0].content == "paid bob"
    assert effects.done == ["paid bob"]
