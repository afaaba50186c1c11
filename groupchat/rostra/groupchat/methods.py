"""The ways to choose the next speaker, by name: all that a team file's schema, which every process loads, needs of this room."""

METHODS = ("auto", "manual", "random", "round_robin", "vote", "handoff", "parallel", "flow")
