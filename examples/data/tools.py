"""Tools of the data example: they read a real SQLite file and real text files, and cannot change either."""

import sqlite3
from pathlib import Path
from typing import Annotated

HERE = Path(__file__).resolve().parent
NOTES = HERE / "notes"


def tables() -> str:
    """The tables of the library's database, as SQL."""
    return query("SELECT sql FROM sqlite_master WHERE type = 'table' ORDER BY name")


def query(sql: Annotated[str, "One SELECT statement, in SQLite's dialect."]) -> str:
    """Query the library's database; answers with a line of names, then a line per row, 50 at most."""
    database = sqlite3.connect(f"{(HERE / 'library.db').as_uri()}?mode=ro", uri=True)
    try:
        cursor = database.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        return "\n".join(" | ".join(map(str, row)) for row in [names, *cursor.fetchmany(50)])
    finally:
        database.close()


def read_note(name: Annotated[str, "A file's name, such as fees.md."]) -> str:
    """Read one of the library's notes."""
    path = (NOTES / name).resolve()
    if path.parent != NOTES or not path.is_file():
        names = ", ".join(sorted(note.name for note in NOTES.iterdir()))
        raise ValueError(f"there is no note {name!r}; there are {names}")
    return path.read_text(encoding="utf-8")
