"""What the room offers; what needs an event loop is loaded when it is first used."""

import pytest

import rostra.protocol


def test_everything_in_the_surface_is_there() -> None:
    assert all(getattr(rostra.protocol, name) is not None for name in rostra.protocol.__all__)
    assert set(rostra.protocol._HOMES) <= set(rostra.protocol.__all__) <= set(dir(rostra.protocol))


def test_what_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        rostra.protocol.nonsense  # noqa: B018
