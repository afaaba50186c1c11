"""Where things are kept, and which teams run."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rostra.protocol import events_address
from rostra.team.instances import Claim, NoInstance, claim, find, running
from rostra.team.places import Places, UnsafePlace


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places.here({"ROSTRA_HOME": str(tmp_path)})


def test_one_variable_moves_everything(places: Places, tmp_path: Path) -> None:
    assert (places.data, places.state, places.runtime) == (tmp_path / "data", tmp_path / "state", tmp_path / "run")


def test_without_it_the_places_are_those_of_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    places = Places.here({})
    assert places.data == tmp_path / "XDG_DATA_HOME" / "rostra"
    assert places.state == tmp_path / "XDG_STATE_HOME" / "rostra"
    assert places.runtime == tmp_path / "XDG_RUNTIME_DIR" / "rostra"


def test_a_machine_without_a_runtime_directory_is_no_reason_for_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)  # warnings are errors here
    assert Places.here({}).runtime.is_absolute()


def test_the_sockets_are_this_users_alone(places: Places) -> None:
    directory = places.instance("review", "review-2")
    for path in (directory, directory.parent, directory.parent.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    directory.chmod(0o755)
    assert stat.S_IMODE(places.instance("review", "review-2").stat().st_mode) == 0o700


def test_a_link_in_place_of_the_directory_is_refused(places: Places, tmp_path: Path) -> None:
    places.instance("review", "review").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (places.runtime / "review" / "review").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafePlace):
        places.instance("review", "review")


def test_a_path_too_long_for_a_socket_is_replaced_by_a_short_one(tmp_path: Path) -> None:
    places = Places.here({"ROSTRA_HOME": str(tmp_path / ("x" * 120))})
    address = places.address("review", "review")
    assert events_address(address)
    assert address == places.address("review", "review")
    assert address != places.address("review", "review-2")
    for name in ("review", "review-2"):
        directory = places.socket_directory("review", name)
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        directory.rmdir()


def test_runs_of_one_file_get_names_sockets_and_databases_of_their_own(places: Places) -> None:
    with claim(places, "review", "review.toml") as first, claim(places, "review", "review.toml") as second:
        one, two = first.instance, second.instance
        assert (one.name, two.name) == ("review", "review-2")
        assert one.address != two.address
        assert places.transcript("review", one.name) != places.transcript("review", two.name)
        assert [instance.name for instance in running(places)] == ["review", "review-2"]
        assert running(places)[0].pid == os.getpid()
    assert running(places) == []


def test_a_name_that_was_given_back_is_used_again(places: Places) -> None:
    first, second = claim(places, "review", "r.toml"), claim(places, "review", "r.toml")
    first.release()
    first.release()
    with claim(places, "review", "r.toml") as third:
        assert third.instance.name == "review"
    second.release()


def test_looking_at_who_runs_does_not_keep_anyone_from_running(places: Places) -> None:
    with claim(places, "review", "r.toml"):
        for _ in range(3):
            running(places)
        with claim(places, "review", "r.toml") as second:
            assert second.instance.name == "review-2"


def test_a_team_that_was_killed_is_no_longer_there(places: Places, tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "from rostra.team.places import Places\n"
        "from rostra.team.instances import claim\n"
        f"claimed = claim(Places.here({{'ROSTRA_HOME': {str(tmp_path)!r}}}), 'review', 'r.toml')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -signal.SIGKILL
    entry = places.runtime / "review" / "review" / "instance.json"
    assert entry.exists()
    assert running(places) == []
    assert not entry.exists()


def test_a_running_team_is_found_by_name_file_or_being_the_only_one(places: Places, tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    with claim(places, "review", file) as review:
        for wanted in ("", "review", str(file)):
            assert find(places, wanted) == review.instance
        with pytest.raises(NoInstance, match='the team "other" does not run here; there is review'):
            find(places, "other")
        with claim(places, "other", tmp_path / "o.toml") as other:
            assert find(places, "other") == other.instance
            with pytest.raises(NoInstance, match="several teams run here, say which: review, other"):
                find(places)
    with pytest.raises(NoInstance, match="no team runs here"):
        find(places)


def test_of_several_runs_of_a_file_the_namesake_is_meant_by_the_name(places: Places) -> None:
    def start() -> Claim:
        return claim(places, "review", "r.toml")

    with start() as first, start() as second:
        assert find(places, "review") == first.instance
        assert find(places, "review-2") == second.instance
        with pytest.raises(NoInstance, match="review, review-2"):
            find(places, "r.toml")


def test_a_broker_that_stands_for_a_team_of_single_processes_takes_no_other_name(places: Places) -> None:
    with claim(places, "review", "r.toml", parts=True) as broker:
        assert find(places, "review") == broker.instance
        assert broker.instance.parts
        with pytest.raises(NoInstance, match="review runs here already"):
            claim(places, "review", "r.toml", parts=True)
        with claim(places, "review", "r.toml") as second:  # a launcher makes room
            assert second.instance.name == "review-2"


def test_the_databases_of_a_team_are_listed_namesake_first(places: Places) -> None:
    for name in ("review-10", "review-2", "review"):
        places.transcript("review", name).touch()
    assert [path.parent.name for path in places.transcripts("review")] == ["review", "review-2", "review-10"]
