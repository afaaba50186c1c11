"""`init`, `validate`, `schema`, `doctor`: what needs no running team."""

import os
from pathlib import Path

from .conftest import EXAMPLES, Cli


def test_init_writes_a_team_that_is_valid_and_runs(rostra: Cli, tmp_path: Path) -> None:
    where = tmp_path / "my team"
    done = rostra("init", str(where))
    assert sorted(path.name for path in where.iterdir()) == ["script.toml", "team.toml", "tools.py"]
    assert f"rostra run '{where}/team.toml'" in done.err
    rostra("validate", str(where / "team.toml"))
    assert "✓ ended" in rostra("run", str(where / "team.toml"), "Describe a message broker in one sentence.").out


def test_init_never_overwrites(rostra: Cli, tmp_path: Path) -> None:
    (tmp_path / "tools.py").write_text("mine", encoding="utf-8")
    done = rostra("init", str(tmp_path), code=1)
    assert "already exists; nothing was written" in done.err
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["tools.py"]
    assert (tmp_path / "tools.py").read_text(encoding="utf-8") == "mine"


def test_the_openai_part_of_the_new_team_is_valid_too(rostra: Cli, tmp_path: Path) -> None:
    rostra("init", str(tmp_path))
    path = tmp_path / "team.toml"
    text = path.read_text(encoding="utf-8")
    kept = text[: text.index("[models.default]")] + text[text.index("# [models.default]") :]
    wanted = ("# [models.default]", "# api", "# model ", "# base_url", "# [agents.you]", "# kind", "# human_input")
    lines = [line.removeprefix("# ") if line.startswith(wanted) else line for line in kept.splitlines()]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert rostra("validate", str(path), "--json").json == {
        "valid": True,
        "team": "starter",
        "agents": ["writer", "critic", "you"],
    }


def test_problems_of_a_team_file_are_listed_as_json(rostra: Cli, tmp_path: Path) -> None:
    path = tmp_path / "team.toml"
    path.write_text('[chat]\nmax_round = 3\n[agents.a]\nmodel = "none"\n[agents.b]\n', encoding="utf-8")
    report = rostra("validate", str(path), "--json", code=3).json
    assert report["valid"] is False
    first = report["problems"][0]
    assert (first["file"], first["line"], first["key"]) == (str(path), 2, "chat.max_round")


def test_the_schema_is_that_of_team_files(rostra: Cli) -> None:
    schema = rostra("schema").json
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"].keys() == {"team", "chat", "models", "agents", "tools", "budget", "coordinator"}


def test_doctor_finds_this_machine_fit(rostra: Cli) -> None:
    report = rostra("doctor", "--json").json
    states = {finding["what"]: finding["state"] for finding in report["findings"]}
    assert report["healthy"] is True
    for what in ("python", "libzmq", "sqlite", "data directory", "state directory", "runtime directory"):
        assert states[what] == "good"
    assert states["sandbox"] in ("good", "note")
    assert states["model key"] == "note"
    shown = rostra("doctor", OPENAI_API_KEY="sk-secret").out
    assert "OPENAI_API_KEY is set" in shown
    assert "sk-secret" not in shown


def test_doctor_says_when_it_cannot_write(rostra: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "✗ data directory" in rostra("doctor", code=1, ROSTRA_HOME=str(tmp_path / "file")).out


def test_doctor_says_when_a_team_does_not_answer(rostra: Cli) -> None:
    team = str(EXAMPLES / "hello" / "scripted.toml")
    assert "✗ team" in rostra("doctor", "--team", team, "--only", "broker", code=1).out


def test_the_parts_of_a_team_want_to_know_which(rostra: Cli) -> None:
    assert "--bind" in rostra("broker", code=2).err
    rostra("coordinator", code=2)
    team = str(EXAMPLES / "hello" / "scripted.toml")
    assert "there is no agent 'nobody'" in rostra("agent", "nobody", "--team", team, code=3).err


def test_home_is_where_everything_is_kept(rostra: Cli) -> None:
    rostra("run", str(EXAMPLES / "function" / "team.toml"), "one two", code=5)
    home = Path(rostra.environment["ROSTRA_HOME"])
    assert (home / "data" / "function" / "function" / "transcript.db").is_file()
    assert os.stat(home / "run").st_mode & 0o077 == 0
