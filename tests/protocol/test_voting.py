"""How votes are counted: each method against examples worked by hand, and properties that hold for all ballots."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rostra.protocol import BadProposal, Ballot, Proposal, Tally
from rostra.protocol.counting import Decision, decide
from rostra.protocol.poll import Poll
from rostra.protocol.voting import METHODS, check_proposal

ABC = ("a", "b", "c")
YES_NO = ("yes", "no")


def ballots(text: str) -> list[Ballot]:
    """From `a b>c 2*a - `: single choices, choices in order, several ballots alike, an abstention. Voters are v1, v2, …"""
    choices: list[tuple[str, ...]] = []
    for word in text.split():
        times, _, said = word.rpartition("*")
        choices += [() if said == "-" else tuple(said.split(">"))] * int(times or 1)
    return [Ballot(voter=f"v{number}", choices=each) for number, each in enumerate(choices, 1)]


def decided(text: str, method: str, options: tuple[str, ...] = ABC, **rules: Any) -> Decision:
    return decide(msgspec.convert({"text": "?", "options": options, "method": method, **rules}, Proposal), ballots(text))


@pytest.mark.parametrize(
    ("text", "method", "rules", "winner", "reason"),
    [
        # majority: more than half of the votes cast
        ("a a b", "majority", {}, "a", "'a' has 2 of 3 votes"),
        ("a a b c", "majority", {}, "", "no option has more than half of 4 votes"),
        ("a a b -", "majority", {}, "a", "'a' has 2 of 3 votes"),
        ("a b", "majority", {}, "", "a tie between 'a' and 'b' (each has half of the votes)"),
        ("b a", "majority", {"tie": "first"}, "a", "a tie between 'a' and 'b' (each has half of the votes); 'a' stands first"),
        ("a b", "majority", {"tie": "chair", "chair": "v2"}, "b", "… 'b' is the choice of v2"),
        ("a b -", "majority", {"tie": "chair", "chair": "v3"}, "", "… which the ballot of v3 does not decide"),
        ("2*a 2*b 2*c", "majority", {"tie": "first"}, "", "no option has more than half of 6 votes"),
        # plurality: more than any other
        ("2*a 2*b 3*c", "plurality", {}, "c", "'c' has the most votes, 3 of 7"),
        ("2*a 2*b c", "plurality", {}, "", "a tie between 'a' and 'b' (each has 2 votes)"),
        ("2*b 2*a c", "plurality", {"tie": "first"}, "a", "… 'a' stands first"),
        ("2*a 2*b c", "plurality", {"tie": "chair", "chair": "v4"}, "b", "… 'b' is the choice of v4"),
        ("2*a 2*b c", "plurality", {"tie": "chair", "chair": "v5"}, "", "… which the ballot of v5 does not decide"),
        # approval: the one most often named
        ("a>b b>c b", "approval", {}, "b", "'b' has the most approvals, 3 of 5"),
        ("a>b a>b c", "approval", {}, "", "a tie between 'a' and 'b' (each has 2 approvals)"),
        ("a>b b>a c", "approval", {"tie": "chair", "chair": "v1"}, "", "… which the ballot of v1 does not decide"),
        ("a>b b a", "approval", {"tie": "chair", "chair": "v2"}, "b", "… 'b' is the choice of v2"),
        ("- - a", "approval", {}, "a", "'a' has the most approvals, 1 of 1"),
        # weighted: more than half of the weight
        ("a b b", "weighted", {"weights": {"v1": 3}}, "a", "'a' has 3 of 5 weight"),
        ("a b b", "weighted", {"weights": {"v1": 2}}, "", "a tie between 'a' and 'b' (each has half of the weight)"),
        ("a b b", "weighted", {"weights": {"v1": 0.3, "v2": 0.1, "v3": 0.2}, "tie": "first"}, "a", "… 'a' stands first"),
        ("a b", "weighted", {"weights": {"v1": 0, "v2": 0}}, "", "no option has more than half of 0 weight"),
        # unanimous: every vote cast
        ("3*b", "unanimous", {}, "b", "'b' has all of 3 votes"),
        ("3*b -", "unanimous", {}, "b", "'b' has all of 3 votes"),
        ("3*b a", "unanimous", {"tie": "first"}, "", "not unanimous: 2 options have votes"),
        # nobody decides
        ("- -", "majority", {}, "", "everybody abstained"),
        ("", "ranked", {}, "", "nobody voted"),
        # quorum: ballots, abstentions included
        ("a", "plurality", {"quorum": 2}, "", "no quorum: 1 ballot, and 2 are needed"),
        ("a -", "plurality", {"quorum": 2}, "a", "'a' has the most votes, 1 of 1"),
        ("a a a", "unanimous", {"quorum": 4}, "", "no quorum: 3 ballots, and 4 are needed"),
    ],
)
def test_a_decision_is_what_was_worked_out_by_hand(text: str, method: str, rules: Any, winner: str, reason: str) -> None:
    decision = decided(text, method, **rules)
    assert decision.winner == winner
    if reason.startswith("… "):
        assert decision.reason.endswith(reason[2:])
        assert decision.tied == ("a", "b")
    else:
        assert decision.reason == reason


CITIES = ("memphis", "nashville", "chattanooga", "knoxville")
TENNESSEE = (
    "42*memphis>nashville>chattanooga>knoxville 26*nashville>chattanooga>knoxville>memphis"
    " 15*chattanooga>knoxville>nashville>memphis 17*knoxville>chattanooga>nashville>memphis"
)


def test_the_capital_of_tennessee_is_chosen_in_three_rounds() -> None:
    decision = decided(TENNESSEE, "ranked", CITIES)
    assert decision.winner == "knoxville"
    assert decision.rounds == (
        {"memphis": 42, "nashville": 26, "chattanooga": 15, "knoxville": 17},
        {"memphis": 42, "nashville": 26, "knoxville": 32},
        {"memphis": 42, "knoxville": 58},
    )
    assert decision.reason == "'knoxville' has 58 of 100 votes in round 3"
    firsts = "42*memphis 26*nashville 15*chattanooga 17*knoxville"
    assert decided(firsts, "plurality", CITIES).winner == "memphis"
    assert decided(firsts, "majority", CITIES).winner == ""


@pytest.mark.parametrize(
    ("text", "rules", "winner", "rounds"),
    [
        ("3*a 2*b", {}, "a", 1),
        ("4*a 3*b>c 2*c>b", {}, "b", 2),
        ("4*a 3*b 2*c", {}, "a", 2),  # the ballots of c are exhausted: 4 of 7
        ("2*a 2*b", {}, "", 2),  # c, whom nobody wants, goes without a word
        ("2*a 2*b", {"tie": "first"}, "a", 3),
        ("2*a 2*b", {"tie": "chair", "chair": "v3"}, "b", 3),
        ("3*a>b 2*b>a 2*c>b", {}, "a", 2),  # b and c go at once
        ("3*a>b 2*b>a 2*c>b", {"tie": "first"}, "b", 2),  # c goes, and passes on
        ("3*a>b 2*b>a 2*c>b", {"tie": "chair", "chair": "v1"}, "b", 2),
        ("3*a>b 2*b>a 2*c>b", {"tie": "chair", "chair": "v6"}, "a", 2),  # ranks c before b
        ("3*a 2*b 2*c", {"tie": "chair", "chair": "v1"}, "a", 2),  # ranks neither: both go
        ("a>b -", {}, "a", 1),
    ],
)
def test_a_run_off_is_what_was_worked_out_by_hand(text: str, rules: Any, winner: str, rounds: int) -> None:
    decision = decided(text, "ranked", **rules)
    assert (decision.winner, len(decision.rounds)) == (winner, rounds)
    assert decision.scores == decision.rounds[-1]


def test_a_tied_run_off_names_the_tied() -> None:
    decision = decided("2*a>c 2*b", "ranked")
    assert (decision.winner, decision.tied) == ("", ("a", "b"))
    assert decision.reason == "a tie between 'a' and 'b' in round 2"


def test_a_draw_can_be_repeated_with_its_seed_and_is_fair() -> None:
    drawn = [decided("a b", "plurality", tie="draw", seed=str(seed)).winner for seed in range(200)]
    assert drawn == [decided("a b", "plurality", tie="draw", seed=str(seed)).winner for seed in range(200)]
    assert 70 <= drawn.count("a") <= 130
    assert set(drawn) == {"a", "b"}


# ---- ballots as they come


def poll(*voters: str, options: tuple[str, ...] = YES_NO, **rules: Any) -> Poll:
    return Poll(msgspec.convert({"text": "Ship it?", "options": options, **rules}, Proposal), voters)


def test_late_duplicate_strange_and_invalid_ballots_do_not_count_and_are_told() -> None:
    held = poll("v1", "v2", "v3", "v4", seconds=10.0)
    assert held.cast("v1", Ballot(choices=("yes",)), 1.0) == ""
    assert held.cast("v1", Ballot(choices=("no",)), 2.0) == "a duplicate"
    assert held.cast("x", Ballot(choices=("no",)), 2.0) == "of a stranger"
    assert held.cast("v2", Ballot(choices=("maybe",)), 3.0) == "invalid: 'maybe' is no option"
    assert held.cast("v3", Ballot(choices=("yes", "no")), 3.0) == "invalid: it names 2 options, and one is wanted"
    assert held.cast("v3", Ballot(choices=("no",)), 4.0) == ""
    assert held.cast("v4", Ballot(choices=("no",)), 10.1) == "late"
    tally = held.close()
    assert tally.voted == ("v1", "v3")
    assert tally.absent == {"v2": "its ballot is invalid: 'maybe' is no option", "v4": "its ballot is late"}
    assert [voter for voter, _ in tally.rejected] == ["v1", "x", "v2", "v3", "v4"]
    assert tally.scores == {"yes": 1, "no": 1}
    assert not tally.decided


def test_a_poll_is_complete_when_everybody_voted_or_is_absent() -> None:
    held = poll("v1", "v2", "v3")
    held.cast("v1", Ballot(choices=("yes",)), 1.0)
    held.miss("v2", "dead")
    held.miss("v1", "dead after its ballot")
    held.miss("x", "a stranger")
    assert not held.complete
    held.cast("v3", Ballot(), 1.0)
    assert held.complete
    tally = held.close()
    assert (tally.winner, tally.abstentions, tally.voted, tally.absent) == ("yes", 1, ("v1", "v3"), {"v2": "dead"})


def test_a_voter_who_was_thought_dead_may_still_vote() -> None:
    held = poll("v1")
    held.miss("v1", "lost")
    assert held.cast("v1", Ballot(choices=("yes",)), 1.0) == ""
    assert held.close().absent == {}


def test_nobody_votes_in_anothers_name_and_reasons_have_an_end() -> None:
    held = poll("v1")
    held.cast("v1", Ballot(choices=("yes",), voter="v2", reason="x" * 9999), 0.0)
    (ballot,) = held.close().ballots
    assert (ballot.voter, len(ballot.reason)) == ("v1", 500)


def test_a_secret_tally_does_not_say_who_voted_how() -> None:
    names = ("v1", "v2", "v3")
    tallies: list[Tally] = []
    for order in itertools.permutations(("yes", "yes", "no")):
        held = poll(*names, secret=True)
        for voter, choice in zip(names, order, strict=True):
            held.cast(voter, Ballot(choices=(choice,), reason=f"{voter} wants {choice}"), 0.0)
        tallies.append(held.close())
    assert all(tally == tallies[0] for tally in tallies)
    assert (tallies[0].winner, tallies[0].voted) == ("yes", names)


def test_a_draw_is_made_with_a_seed_that_the_tally_tells() -> None:
    held = poll("v1", "v2", tie="draw")
    held.cast("v1", Ballot(choices=("yes",)), 0.0)
    held.cast("v2", Ballot(choices=("no",)), 0.0)
    tally = held.close(seed="s1")
    assert tally.proposal.seed == "s1"
    assert decide(tally.proposal, tally.ballots).winner == tally.winner != ""


@pytest.mark.parametrize(
    ("rules", "voters", "complaint"),
    [
        ({"text": " "}, "ab", "needs a text"),
        ({"options": ("one",)}, "ab", "2 to 100 are wanted"),
        ({"options": ("yes", "Yes ")}, "ab", "'yes' is there twice"),
        ({"options": ("yes", " ")}, "ab", "' ' is no option"),
        ({"options": ("yes", "Abstain")}, "ab", "'Abstain' is no option"),
        ({}, "", "there are no voters"),
        ({"text": "x" * 20_001}, "ab", "20000 is the limit"),
        ({"options": ("x" * 200_000, "y")}, "ab", "more than a tally can hold"),
        ({"options": tuple(map(str, range(100))), "method": "ranked"}, tuple(map(str, range(60))), "more than a tally can hold"),
        ({}, "aa", "'a' is a voter twice"),
        ({"quorum": 3}, "ab", "3 of 2 voters can never vote"),
        ({"quorum": -1}, "ab", "quorum"),
        ({"seconds": 0.0}, "ab", "seconds"),
        ({"seconds": float("inf")}, "ab", "seconds"),
        ({"tie": "chair"}, "ab", "chair"),
        ({"chair": "a"}, "ab", "chair"),
        ({"tie": "chair", "chair": "c"}, "ab", "'c' is no voter"),
        ({"tie": "chair", "chair": "a", "secret": True}, "ab", "cannot be secret"),
        ({"weights": {"a": 1.0}}, "ab", "the method majority has none"),
        ({"method": "weighted", "weights": {"c": 1.0}}, "ab", "'c' is no voter"),
        ({"method": "weighted", "weights": {"a": -1.0}}, "ab", "'a' cannot weigh -1"),
        ({"method": "weighted", "weights": {"a": float("nan")}}, "ab", "'a' cannot weigh nan"),
    ],
)
def test_a_proposal_that_makes_no_sense_is_refused(rules: Any, voters: str, complaint: str) -> None:
    proposal = Proposal(**{"text": "Ship it?", "options": YES_NO, **rules})
    with pytest.raises(BadProposal, match=complaint):
        check_proposal(proposal, tuple(voters))


# ---- whatever is voted

OPTIONS = st.integers(2, 5).map(lambda count: tuple("abcde"[:count]))


@st.composite
def votes(draw: st.DrawFn, methods: tuple[str, ...] = METHODS, tie: str | None = None) -> tuple[Proposal, list[Ballot]]:
    """A proposal and valid ballots."""
    options, method = draw(OPTIONS), draw(st.sampled_from(methods))
    most = len(options) if method in ("approval", "ranked") else 1
    choices = draw(st.lists(st.lists(st.sampled_from(options), unique=True, max_size=most), max_size=12))
    cast = [Ballot(voter=f"v{number}", choices=tuple(each)) for number, each in enumerate(choices)]
    rules: dict[str, Any] = {"tie": tie or draw(st.sampled_from(("none", "first", "draw")))}
    if method == "weighted":
        rules["weights"] = {one.voter: draw(st.integers(0, 5)) for one in cast}
    return msgspec.convert({"text": "?", "options": options, "method": method, "seed": "s", **rules}, Proposal), cast


@given(votes(), st.randoms())
def test_the_order_of_ballots_is_of_no_account(vote: tuple[Proposal, list[Ballot]], random: Any) -> None:
    proposal, cast = vote
    shuffled = random.sample(cast, len(cast))
    assert decide(proposal, shuffled) == decide(proposal, cast)


@given(votes(tie="none"), st.randoms())
def test_no_option_is_preferred_for_its_name(vote: tuple[Proposal, list[Ballot]], random: Any) -> None:
    proposal, cast = vote
    names = dict(zip(proposal.options, random.sample(proposal.options, len(proposal.options)), strict=True))
    renamed = [msgspec.structs.replace(one, choices=tuple(names[choice] for choice in one.choices)) for one in cast]
    before, after = decide(proposal, cast), decide(proposal, renamed)
    assert after.winner == names.get(before.winner, "")
    assert set(after.tied) == {names[option] for option in before.tied}


@given(votes(), st.integers(0, 5))
def test_abstentions_decide_nothing(vote: tuple[Proposal, list[Ballot]], count: int) -> None:
    proposal, cast = vote
    abstentions = [Ballot(voter=f"x{number}") for number in range(count)]
    assert decide(proposal, [*cast, *abstentions]).winner == decide(proposal, cast).winner


@given(votes(methods=("majority",), tie="none"))
def test_a_majority_decides_by_any_other_method_too(vote: tuple[Proposal, list[Ballot]]) -> None:
    proposal, cast = vote
    winner = decide(proposal, cast).winner
    for method in ("plurality", "approval", "ranked", "weighted"):
        other = decide(msgspec.structs.replace(proposal, method=method), cast)
        assert not winner or other.winner == winner
    agreed = decide(msgspec.structs.replace(proposal, method="unanimous"), cast).winner
    assert agreed in ("", winner)


@given(votes(methods=("weighted",)))
def test_a_weight_is_as_many_votes(vote: tuple[Proposal, list[Ballot]]) -> None:
    proposal, cast = vote
    many = [one for one in cast for _ in range(int(proposal.weights.get(one.voter, 1)))]
    alike = msgspec.structs.replace(proposal, method="majority", weights={})
    assert decide(alike, many).winner == decide(proposal, cast).winner


@given(votes())
def test_a_winner_is_an_option_and_a_rule_always_decides_between_the_tied(vote: tuple[Proposal, list[Ballot]]) -> None:
    proposal, cast = vote
    decision = decide(proposal, cast)
    assert decision.winner in ("", *proposal.options)
    assert decision.reason
    if decision.tied and proposal.tie != "none":
        assert decision.winner
    if proposal.method == "ranked" and any(one.choices for one in cast) and proposal.tie != "none":
        assert decision.winner
        assert all(sum(later.values()) <= sum(earlier.values()) for earlier, later in itertools.pairwise(decision.rounds))


@given(votes(), st.booleans())
def test_a_tally_travels(vote: tuple[Proposal, list[Ballot]], secret: bool) -> None:
    proposal, cast = vote
    held = Poll(
        msgspec.structs.replace(proposal, weights={}, method="majority", secret=secret), [one.voter for one in cast] or ["v"]
    )
    for one in cast:
        held.cast(one.voter, one, 0.0)
    tally = held.close()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(tally), type=Tally) == tally
