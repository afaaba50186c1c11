"""Settings of the property tests: a shared machine may be slow, which is no failure."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
