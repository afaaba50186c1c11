"""The examples are run as the README lines at their top say, in a home of their own."""

from tests.console.conftest import rostra

__all__ = ["rostra"]
