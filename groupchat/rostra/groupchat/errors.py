"""What can go wrong in a group chat's own house; each maps to a wire code as its base does."""

from rostra.protocol import Refused, RostraError


class BadOptions(RostraError, ValueError):
    """A group chat cannot be held with these options; the message says which and why."""

    code = "refused"


class StopError(BadOptions):
    """A stop expression that is none; `column` counts characters from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"stop, column {column}: {message}")
        self.problem, self.column = message, column


class NoSuchChat(Refused):
    """Nobody began a chat of this name here."""

    def __init__(self, chat: str) -> None:
        super().__init__(f"there is no chat {chat!r}")


class ChatExists(Refused):
    """A chat of this name exists already."""

    def __init__(self, chat: str) -> None:
        super().__init__(f"a chat {chat!r} exists already")


class Fenced(RostraError):
    """Another coordinator has taken the chat: this one may not write to it any more."""

    def __init__(self, chat: str, epoch: int) -> None:
        super().__init__(f"chat {chat!r} was taken by another coordinator; epoch {epoch} is over")
        self.chat, self.epoch = chat, epoch


class Unseated(RostraError):
    """Another coordinator has taken the seat: this one was thought dead, and has no say any more."""

    def __init__(self) -> None:
        super().__init__("another coordinator has taken the seat")
