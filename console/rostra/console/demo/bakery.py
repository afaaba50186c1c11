"""The demo's tools, over the data in bakery.sql."""

import math
import sqlite3
from pathlib import Path
from typing import Annotated


def query(sql: Annotated[str, "One SELECT statement over the table visits (arrived HH:MM:SS, seconds at the till)."]) -> str:
    """Query the bakery's data with SQL; answers with a line of names, then a line per row."""
    database = sqlite3.connect(":memory:")
    try:
        database.executescript(Path(__file__).with_name("bakery.sql").read_text(encoding="utf-8"))
        database.execute("PRAGMA query_only = ON")
        cursor = database.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        rows = [[str(value) for value in row] for row in cursor.fetchmany(50)]
    finally:
        database.close()
    return "\n".join(" | ".join(row) for row in [names, *rows])


def mean_wait(
    customers: Annotated[int, "Customers in an hour."],
    seconds: Annotated[float, "Seconds that each takes at the till, on average."],
    tills: Annotated[int, "Tills that are open."],
) -> str:
    """How long customers wait on average (Erlang's formula)."""
    load = customers * seconds / 3600
    if load >= tills:
        return f"{tills} tills: the queue grows without end"
    queue = load**tills / math.factorial(tills) * tills / (tills - load)
    busy = queue / (sum(load**k / math.factorial(k) for k in range(tills)) + queue)
    return f"{tills} tills: {busy * seconds / (tills - load):.0f} s"
