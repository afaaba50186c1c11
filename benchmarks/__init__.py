"""Measures rostra beside its floors (what ZeroMQ, SQLite and the interpreter cost alone) and its peers: `python -m benchmarks`.

Every figure is a ratio to something measured in the same run, in turns, on the same machine. The product is measured through its
own code; nothing in it knows of benchmarks.
"""
