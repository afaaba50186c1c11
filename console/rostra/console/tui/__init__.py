"""The live view of a chat on the whole terminal: a pure core (scene, drawing, keys) and a thin shell (extra `tui`)."""
