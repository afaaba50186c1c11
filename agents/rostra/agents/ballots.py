"""From what somebody says to a ballot, and what somebody is asked who is to vote. Pure."""

import re
from collections.abc import Sequence

from rostra.protocol import Ballot, Proposal
from rostra.protocol.voting import ABSTAIN

_EDGES = " \t\r\n\"'`*_.,;:!()[]{}"
_ITEM = re.compile(r"(?:[-*•]|\d+[.)])\s+")
_ABSTAINS = re.compile(rf"(?<!\w){ABSTAIN}(?!\w)", re.IGNORECASE)
_SEPARATORS = {"ranked": re.compile(r"\s*(?:>|,|;|\n)\s*"), "approval": re.compile(r"\s*(?:,|;|\n|\band\b)\s*")}
_HOW = {
    "approval": "Name every option that you approve of, separated by commas",
    "ranked": "Rank the options, the best first, separated by >",
}


def question(proposal: Proposal) -> str:
    """The proposal as it is put to a person, a model or a handler."""
    options = "\n".join(f"{number}. {option}" for number, option in enumerate(proposal.options, 1))
    return f"{'Secret vote' if proposal.secret else 'Vote'}: {proposal.text}\n{options}\n{instruction(proposal)}"


def instruction(proposal: Proposal) -> str:
    """How to answer."""
    how = _HOW.get(proposal.method, "Answer with one option")
    return f"{how}, and nothing else; or answer: {ABSTAIN}."


def read_ballot(text: str, proposal: Proposal) -> Ballot | None:
    """The ballot that `text` casts; None when it names no option, or more than can be chosen.

    An answer may be an option or its number, in any case; with words around it, the option that it names counts, if it names one
    only (`approval`, `ranked`: all that it names, in order). What was said besides becomes the ballot's reason.
    """
    said = text.strip()
    separator = _SEPARATORS.get(proposal.method)
    choices: Sequence[str] = ()
    if separator is not None:
        choices = _listed(separator.split(said), proposal.options) or _mentioned(said, proposal.options)
    else:
        lines = said.splitlines()
        for piece in (said, *lines[-1:], *lines[:1]):  # models argue first, or afterwards
            option = _option(piece, proposal.options)
            if option:
                choices = (option,)
                break
        else:
            choices = _mentioned(said, proposal.options)
            if len(choices) > 1:
                return None
    if choices:
        bare = _folded(said) in (_folded(", ".join(choices)), _folded(" > ".join(choices)))
        return Ballot(choices=tuple(choices), reason="" if bare else said)
    if _ABSTAINS.search(said):
        return Ballot(reason="" if _folded(said) == ABSTAIN else said)
    return None


def _listed(pieces: Sequence[str], options: Sequence[str]) -> list[str]:
    """The options that `pieces` are, without repetition; none when a piece is no option."""
    found = [_option(piece, options) for piece in pieces if piece.strip()]
    return list(dict.fromkeys(found)) if all(found) else []


def _option(piece: str, options: Sequence[str]) -> str:
    """The option that a text is, or whose number it is; empty: none."""
    for said in (_folded(piece), _folded(_ITEM.sub("", piece.strip(), count=1))):
        for option in options:
            if said == _folded(option):
                return option
    number = piece.strip(_EDGES)
    return options[int(number) - 1] if number.isdecimal() and len(number) < 4 and 1 <= int(number) <= len(options) else ""


def _mentioned(text: str, options: Sequence[str]) -> list[str]:
    """The options that a text names, in order of appearance; where one is part of another, the longer counts."""
    longest_first = sorted(options, key=len, reverse=True)
    spellings = "|".join("(" + r"\s+".join(map(re.escape, option.split())) + ")" for option in longest_first)
    found = re.finditer(rf"(?<!\w)(?:{spellings})(?!\w)", text, re.IGNORECASE)
    return list(dict.fromkeys(longest_first[(match.lastindex or 1) - 1] for match in found))


def _folded(text: str) -> str:
    return " ".join(text.strip(_EDGES).split()).casefold()
