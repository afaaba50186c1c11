"""Other people's systems, each at an exact version in an environment of its own, beside which rostra is measured."""
