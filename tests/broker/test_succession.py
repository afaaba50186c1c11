"""Who had a name before: remembered, within bounds."""

from rostra.broker.succession import MOST, Succession


def test_who_came_before_is_over_and_who_has_the_name_is_not() -> None:
    names = Succession()
    names.took("anna", b"1")
    names.took("anna", b"2", of=b"1")
    names.lost("anna", b"2")
    names.took("anna", b"2")
    assert [names.is_over("anna", boot) for boot in (b"1", b"2")] == [True, False]
    names.lost("anna", b"2")
    names.took("anna", b"3")
    assert [names.is_over("anna", boot) for boot in (b"1", b"2", b"3")] == [True, True, False]
    assert not names.is_over("bert", b"1")


def test_as_many_are_remembered_as_the_bound_says() -> None:
    names = Succession()
    for number in range(MOST + 1):
        names.lost(f"p{number}", b"1")
    for number in range(MOST + 1):
        names.took(f"p{number}", b"2")
    assert not names.is_over("p0", b"1"), "forgotten"
    assert names.is_over("p1", b"1")
    names.took("more", b"2", of=b"1")
    names.took("still more", b"2", of=b"1")
    assert not names.is_over("p1", b"1")
    assert names.is_over(f"p{MOST}", b"1")
    assert names.is_over("still more", b"1")
