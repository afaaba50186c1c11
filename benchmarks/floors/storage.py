"""Rows on disk with nothing but sqlite3: WAL, synchronous FULL or NORMAL, one row a transaction or grouped."""

import sqlite3
import time
from pathlib import Path

TEXT = "x" * 500
SCHEMA = """
CREATE TABLE row (id INTEGER PRIMARY KEY, chat TEXT NOT NULL, speaker TEXT NOT NULL, content TEXT NOT NULL, at REAL NOT NULL)
"""
INSERT = "INSERT INTO row (chat, speaker, content, at) VALUES (?, ?, ?, ?)"


def rows_per_second(directory: Path, *, synchronous: str, group: int, count: int) -> float:
    """Insert `count` rows of about 600 bytes, `group` to a transaction; returns rows a second."""
    database = sqlite3.connect(directory / f"{synchronous}-{group}.sqlite", isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {synchronous}")
        database.execute(SCHEMA)
        began = time.perf_counter()
        for _ in range(count // group):
            database.execute("BEGIN IMMEDIATE")
            database.executemany(INSERT, [("chat", "writer", TEXT, 0.0)] * group)
            database.execute("COMMIT")
        return count // group * group / (time.perf_counter() - began)
    finally:
        database.close()
