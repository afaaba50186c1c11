"""Words found in what was said: a full-text index over all messages of a database."""

import sqlite3

from rostra.protocol import Refused
from rostra.protocol.chat import Found, SearchRequest

MOST = 1000


def search(connection: sqlite3.Connection, wish: SearchRequest) -> list[Found]:
    """The messages that hold all words of the query, the newest first; what was rewound is not found.

    The query is FTS5's language: words, `"phrases"`, `OR`, `NOT`, `prefix*`; where it is no sentence of that, its words as they
    stand. Raises `Refused` for a query without a word.
    """
    try:
        return _found(connection, wish, wish.query)
    except sqlite3.OperationalError:
        words = [word.replace('"', "") for word in wish.query.split()]
        plain = " ".join(f'"{word}"' for word in words if word)
        try:
            return _found(connection, wish, plain)
        except sqlite3.OperationalError:
            raise Refused(f"{wish.query!r} holds no word to look for") from None


def _found(connection: sqlite3.Connection, wish: SearchRequest, query: str) -> list[Found]:
    found = connection.execute(
        "SELECT search.chat, row.sequence, search.speaker, snippet(search, 0, '[', ']', '…', 16), row.done_ms"
        " FROM search JOIN row ON row.chat = search.chat AND row.number = search.number"
        " WHERE search.text MATCH :query AND row.rewound = 0 AND row.sequence > 0"
        " AND (:chat = '' OR search.chat = :chat) AND (:speaker = '' OR search.speaker = :speaker)"
        " ORDER BY row.done_ms DESC, search.chat, row.sequence DESC LIMIT :most",
        {"query": query, "chat": wish.chat, "speaker": wish.speaker, "most": max(1, min(wish.limit, MOST))},
    )
    return [
        Found(chat=chat, sequence=sequence, speaker=speaker, snippet=snippet, done_ms=done_ms)
        for chat, sequence, speaker, snippet, done_ms in found
    ]
