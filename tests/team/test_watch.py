"""Who is started, stopped and started again."""

import signal

import pytest

from rostra.team.exits import ExitCode, said
from rostra.team.watch import (
    CRASHES,
    KILLS,
    READY_SECONDS,
    STOP_SECONDS,
    WINDOW,
    Effect,
    Launch,
    ProcessEvent,
    Signal,
    State,
    Watch,
)

STAGES = {"broker": 0, "models": 1, "coordinator": 2, "planner": 3, "coder": 3}


def running(stages: dict[str, int] | None = None) -> Watch:
    """A watch all of whose processes are ready; the pid of the nth is 100 + n."""
    watch = Watch(stages or STAGES, seed=1)
    watch.start(watch.processes, 0.0)
    for number, key in enumerate(watch.processes):
        watch.launched(key, 100 + number)
        watch.ready(key)
    assert watch.all_ready
    return watch


def launches(effects: list[Effect]) -> list[str]:
    return [effect.key for effect in effects if isinstance(effect, Launch)]


def signals(effects: list[Effect]) -> list[tuple[str, int]]:
    return [(effect.key, effect.number) for effect in effects if isinstance(effect, Signal)]


def types(effects: list[Effect]) -> list[str]:
    return [effect.type for effect in effects if isinstance(effect, ProcessEvent)]


def test_the_first_crash_is_mended_at_once() -> None:
    watch = running()
    effects = watch.exited("planner", -9, 10.0)
    assert types(effects) == ["died", "restarting"]
    assert launches(effects) == ["planner"]
    assert watch.processes["planner"].state is State.STARTING


def test_further_crashes_are_mended_after_pauses_that_grow() -> None:
    watch = running()
    watch.exited("planner", 1, 10.0)
    pauses = []
    now = 10.0
    for pid in range(200, 200 + CRASHES - 2):
        watch.launched("planner", pid)
        effects = watch.exited("planner", 1, now)
        assert launches(effects) == []
        pauses.append(watch.due - now)
        assert watch.tick(now) == []
        now = watch.due
        assert launches(watch.tick(now)) == ["planner"]
    assert pauses == sorted(pauses)
    assert 0.1 <= pauses[0] <= 0.2


def test_a_crash_loop_is_given_up_with_a_reason() -> None:
    watch = running()
    effects: list[Effect] = []
    for crash in range(CRASHES):
        effects = watch.exited("planner", -11, 10.0 + crash)
        watch.tick(watch.due) if watch.due < float("inf") else None
        watch.launched("planner", 200 + crash)
    assert types(effects) == ["died", "given_up"]
    event = effects[-1]
    assert isinstance(event, ProcessEvent)
    assert event.why == f"it died {CRASHES} times within 30 s, last: it was killed by SIGSEGV"
    assert watch.processes["planner"].state is State.GIVEN_UP
    assert watch.due == float("inf")


def test_crashes_far_apart_are_no_loop() -> None:
    watch = running()
    now = 0.0
    for crash in range(3 * CRASHES):
        now += WINDOW + 1
        assert launches(watch.exited("planner", 1, now)) == ["planner"]
        watch.launched("planner", 200 + crash)
        watch.ready("planner")


@pytest.mark.parametrize("code", [ExitCode.CONFIGURATION, ExitCode.SUPERSEDED, ExitCode.REFUSED, ExitCode.USAGE])
def test_what_would_end_the_same_way_again_is_given_up_at_once(code: ExitCode) -> None:
    effects = running().exited("planner", code, 10.0)
    assert types(effects) == ["died", "given_up"]
    assert launches(effects) == []


@pytest.mark.parametrize("code", [ExitCode.STOPPED, ExitCode.CRASHED, ExitCode.UNREACHABLE, -15, 77])
def test_any_other_end_that_nobody_asked_for_is_a_crash(code: int) -> None:
    assert launches(running().exited("planner", code, 10.0)) == ["planner"]


def test_a_stop_that_was_asked_for_is_no_crash() -> None:
    watch = running()
    assert signals(watch.restart("planner", 10.0)) == [("planner", signal.SIGTERM)]
    effects = watch.exited("planner", 0, 11.0)
    assert types(effects) == ["stopped"]
    assert launches(effects) == ["planner"]
    assert not watch.processes["planner"].crashes


def test_a_process_that_was_given_up_can_be_started_again_by_hand() -> None:
    watch = running()
    watch.exited("planner", ExitCode.CONFIGURATION, 10.0)
    assert launches(watch.restart("planner", 20.0)) == ["planner"]


def test_processes_stop_agents_first_and_broker_last() -> None:
    watch = running()
    assert signals(watch.stop(10.0)) == [("planner", signal.SIGTERM), ("coder", signal.SIGTERM)]
    assert signals(watch.exited("planner", 0, 10.1)) == []
    assert signals(watch.exited("coder", -9, 10.2)) == [("coordinator", signal.SIGTERM)]
    assert signals(watch.exited("coordinator", 0, 10.3)) == [("models", signal.SIGTERM)]
    assert signals(watch.exited("models", 0, 10.4)) == [("broker", signal.SIGTERM)]
    assert not watch.all_ended
    assert types(watch.exited("broker", 0, 10.5)) == ["stopped"]
    assert watch.all_ended


def test_what_does_not_stop_in_time_is_killed() -> None:
    watch = running({"planner": 3})
    watch.stop(10.0)
    assert watch.due == 10.0 + STOP_SECONDS
    assert signals(watch.tick(10.0 + STOP_SECONDS)) == [("planner", signal.SIGKILL)]
    assert watch.due == float("inf")


def test_the_second_wish_to_stop_kills() -> None:
    watch = running()
    watch.stop(10.0)
    killed = signals(watch.stop(10.1, hard=True))
    assert [number for _, number in killed] == [signal.SIGKILL] * 5


def test_what_dies_while_the_team_stops_is_not_started_again() -> None:
    watch = running()
    watch.stop(10.0)
    effects = watch.exited("coordinator", -9, 10.1)
    assert launches(effects) == []


def test_what_waits_to_be_started_again_is_stopped_by_not_starting_it() -> None:
    watch = running({"planner": 3})
    watch.exited("planner", 1, 10.0)
    watch.launched("planner", 200)
    watch.exited("planner", 1, 10.0)
    assert watch.processes["planner"].state is State.PAUSING
    assert watch.stop(10.1) == []
    assert watch.all_ended


def test_what_is_stopped_before_it_runs_is_stopped_as_soon_as_it_does() -> None:
    watch = Watch({"planner": 3})
    watch.start(["planner"], 0.0)
    assert signals(watch.stop(0.1)) == []
    assert signals(watch.launched("planner", 7)) == [("planner", signal.SIGTERM)]


def test_what_does_not_become_ready_in_time_is_killed_and_counts_as_a_crash() -> None:
    watch = Watch({"planner": 3})
    watch.start(["planner"], 0.0)
    watch.launched("planner", 7)
    assert signals(watch.tick(READY_SECONDS)) == [("planner", signal.SIGKILL)]
    assert launches(watch.exited("planner", -9, READY_SECONDS)) == ["planner"]
    assert len(watch.processes["planner"].crashes) == 1


def test_what_was_never_made_is_not_waited_for() -> None:
    watch = Watch({"planner": 3})
    watch.start(["planner"], 0.0)
    assert launches(watch.tick(READY_SECONDS)) == ["planner"]
    watch.stop(READY_SECONDS)
    watch.tick(READY_SECONDS + STOP_SECONDS)
    assert watch.all_ended


def test_a_sign_of_readiness_of_what_is_ready_already_changes_nothing() -> None:
    assert running().ready("planner") == []


def test_every_end_has_words() -> None:
    assert all(said(code) for code in ExitCode)
    assert said(-9) == "was killed by SIGKILL"
    assert said(-99) == "was killed by signal 99"
    assert said(77) == "ended with code 77"


def test_what_is_killed_from_outside_while_it_works_is_mended_at_once_each_time() -> None:
    watch, now = Watch({"ada": 1}), 0.0
    watch.start(["ada"], now)
    for pid in range(1, KILLS):
        watch.launched("ada", pid)
        watch.ready("ada")
        assert Launch("ada") in watch.exited("ada", -signal.SIGKILL, now)
    watch.launched("ada", KILLS)
    watch.ready("ada")
    assert watch.exited("ada", -signal.SIGKILL, now)[-1].type == "given_up"  # type: ignore[union-attr]
