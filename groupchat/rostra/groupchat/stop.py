"""Stop expressions of a team file: `text("TERMINATE") | tokens(50_000) & seconds(60)`.

The text is read with Python's own parser and then walked against a short list of what may stand there; nothing is evaluated.
"""

import ast
from collections.abc import Callable
from typing import Any

from .conditions import (
    CompletionTokens,
    Condition,
    Cost,
    ExactText,
    FunctionCalled,
    Handoff,
    MaxMessages,
    NoProgress,
    PromptTokens,
    SourceMatch,
    TextMention,
    Timeout,
    TokenUsage,
    VotePassed,
)
from .errors import StopError

MAX_LENGTH = 4000

_COUNTS: dict[str, Callable[[Any], Condition]] = {
    kind.word: kind for kind in (MaxMessages, TokenUsage, PromptTokens, CompletionTokens, NoProgress)
}
_AMOUNTS: dict[str, Callable[[Any], Condition]] = {kind.word: kind for kind in (Cost, Timeout)}
_TEXTS: dict[str, Callable[[Any], Condition]] = {kind.word: kind for kind in (ExactText, Handoff, FunctionCalled)}
_OPTIONS = {TextMention.word: "by", VotePassed.word: "every"}
"""The one option that a condition has beside its value."""
WORDS = tuple(sorted((*_COUNTS, *_AMOUNTS, *_TEXTS, *_OPTIONS, SourceMatch.word)))


def parse(expression: str) -> Condition:
    """The condition that `expression` describes; raises `StopError` with the column where it goes wrong."""
    if len(expression) > MAX_LENGTH:
        raise StopError(f"longer than {MAX_LENGTH} characters", MAX_LENGTH + 1)
    return _Reader(expression).read()


class _Reader:
    def __init__(self, expression: str) -> None:
        flat = expression.replace("\n", " ").replace("\r", " ").replace("\t", " ").replace("\f", " ")
        self._text = flat.lstrip(" ")
        self._skipped = len(flat) - len(self._text)

    def read(self) -> Condition:
        if not self._text:
            raise StopError("nothing there", 1)
        try:
            tree = ast.parse(self._text, mode="eval")
        except SyntaxError as error:
            raise StopError(f"not understood: {error.msg}", max(1, error.offset or 1) + self._skipped) from None
        except ValueError as error:
            raise StopError(str(error), 1) from None
        except (RecursionError, MemoryError):
            raise StopError("nested too deep", 1) from None
        try:
            return self._condition(tree.body)
        except RecursionError:
            raise StopError("nested too deep", 1) from None

    def _fail(self, node: ast.AST, message: str) -> StopError:
        before = self._text.encode("utf-8", "surrogatepass")[: getattr(node, "col_offset", 0)]
        return StopError(message, len(before.decode("utf-8", "replace")) + 1 + self._skipped)

    def _condition(self, node: ast.expr) -> Condition:
        match node:
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self._condition(left) | self._condition(right)
            case ast.BinOp(left=left, op=ast.BitAnd(), right=right):
                return self._condition(left) & self._condition(right)
            case ast.Call(func=ast.Name(id=word)):
                return self._call(word, node)
            case ast.Name(id=word) if word in WORDS:
                raise self._fail(node, f"{word} needs its value in parentheses")
            case ast.BoolOp() | ast.UnaryOp() | ast.BinOp():
                raise self._fail(node, "conditions are composed with | and & only")
            case _:
                raise self._fail(node, f"a condition was expected: {', '.join(WORDS)}")

    def _call(self, word: str, call: ast.Call) -> Condition:
        for keyword in call.keywords:
            if keyword.arg != _OPTIONS.get(word, ""):
                raise self._fail(keyword, f"{word} knows no option {keyword.arg or '**'}")
        if word == SourceMatch.word:
            if not call.args:
                raise self._fail(call, "source needs a name at least")
            return SourceMatch(tuple(self._string(word, one) for one in call.args))
        if word not in WORDS:
            raise self._fail(call, f"{word} is no condition; there are {', '.join(WORDS)}")
        if len(call.args) != 1:
            raise self._fail(call, f"{word} takes one value, not {len(call.args)}")
        value = call.args[0]
        if len(call.keywords) > 1:
            raise self._fail(call.keywords[1], f"{_OPTIONS[word]} is given twice")
        if word == TextMention.word:
            return TextMention(self._string(word, value), *(self._string("by", one.value) for one in call.keywords))
        if word == VotePassed.word:
            every = [int(self._number("every", one.value, whole=True)) for one in call.keywords]
            return VotePassed(self._string(word, value), *every)
        if word in _TEXTS:
            return _TEXTS[word](self._string(word, value))
        if word in _COUNTS:
            return _COUNTS[word](self._number(word, value, whole=True))
        return _AMOUNTS[word](self._number(word, value, whole=False))

    def _string(self, word: str, node: ast.expr) -> str:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
            return node.value
        raise self._fail(node, f"{word} takes a text in quotes, not an empty one")

    def _number(self, word: str, node: ast.expr, *, whole: bool) -> float:
        kinds: tuple[type, ...] = (int,) if whole else (int, float)
        if isinstance(node, ast.Constant) and type(node.value) in kinds:
            number = node.value
            assert isinstance(number, int | float)
            if 0 < number < 1e15:
                return number
        raise self._fail(node, f"{word} takes a positive {'whole ' if whole else ''}number")
