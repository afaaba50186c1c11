"""What bounds the figures, in words: the part of docs/performance.md that a person writes."""

BOUNDS = """## What bounds them

### The calls that everything is made of

Measured on an inproc pair, quickest of five, CPython 3.11 built without profile-guided optimisation:

| call | ns |
|---|---|
| `recv` of a frame, copied (the backend's method, bound, flags as plain integers) | 260–290 |
| `recv(copy=False)`, which makes a `Frame` | 860–930 |
| `send` of 6 bytes; of 256 bytes | 295; 345 |
| `send` of a `Frame` | 570 |
| `socket.get(RCVMORE)`: pyzmq makes an enum member of the option's number | 1 110 |
| the same asked of libzmq through ctypes, without letting go of the GIL | 430 |
| `socket.get(EVENTS)`, which also lets libzmq process its commands | 1 530 |
| a `recv` that raises `Again` | 4 360 |
| a look-up in a dict | 50 |

### The broker (rows 1 to 3)

A message is four `recv`, three questions whether a frame follows, two look-ups and four `send`: 4.2 µs of calls that cannot be left
out in Python over pyzmq, beside 1.1 to 1.9 µs for the whole C loop, whose message has a frame less. `perf` on the broker while four
pairs send without a pause: interpreter 24 %, kernel in libzmq's I/O thread 19 %, libzmq 23 % (both threads), C library 18 % (most of it
the mutex of the GIL, let go and taken again in each of the eight calls), kernel in the main thread 6 %, pyzmq 5 %, ctypes 5 %. Without
the three questions the ratio of row 2 would be 4.6; asking once, after the third frame, makes it 6.2; but then a message that is
too short takes the next one, another peer's, with it. The way out is to route fewer messages (row 4): bundles.

| change | before | after |
|---|---|---|
| one question to libzmq through ctypes instead of two by `socket.get` and a `Frame` for the body | 8.1 × the C loop's CPU, 1.56 × the proxy's round trip | 6.2 ×, 1.18 × |
| asked after each frame, so that a message cut short harms nobody | 6.2 ×, 1.18 × | 7.0 ×, 1.26 × |

### Asks between agents (rows 5 to 8)

CPU of caller, callee and broker for one ask, 256 bytes, 64 in flight, microseconds:

| change | caller | callee | broker |
|---|---|---|---|
| at first | 88 | 94 | 50 |
| one timer for all deadlines, fewer options read, no turn of the loop for a look after each send | 54 | 55 | 35 |
| what is sent in one turn of the loop travels as one bundle | 22 | 25 | 2 |

One ask at a time keeps what bundles cannot share: per side two turns of the event loop (a wake-up by epoll, then the task) of about
7 µs each, a task, a future, 2 × 1.5 µs for EVENTS, and the typed encoding, decoding and checking of both bodies, 4 µs. The profile
counted 170 and 195 function calls for the caller's and the callee's side of one ask at first, 95 and 117 now.

### Chats (rows 12 to 15)

A turn is a chain of ten hand-overs, one after the other: select, commit, ask, answer, commit, publish. Of the coordinator's CPU half
is its event loop's (555 µs on a busy machine) and half the writer thread's (477 µs with FULL, 384 µs with NORMAL), which
runs two transactions of a row each. A hundred chats at once share commits and wake-ups.
"""
