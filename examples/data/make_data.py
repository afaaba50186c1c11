"""Makes library.db of library.sql. Run it once: `python examples/data/make_data.py`."""

import sqlite3
from pathlib import Path

here = Path(__file__).parent
(here / "library.db").unlink(missing_ok=True)
database = sqlite3.connect(here / "library.db")
database.executescript((here / "library.sql").read_text(encoding="utf-8"))
database.close()
print(f"made {here / 'library.db'}")
