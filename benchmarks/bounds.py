"""What bounds the figures, in words: the part of docs/performance.md that a person writes."""

BOUNDS = """## What bounds them

"""
