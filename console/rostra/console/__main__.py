"""`python -m rostra.console` is `rostra`."""

from .main import main

if __name__ == "__main__":
    main()
