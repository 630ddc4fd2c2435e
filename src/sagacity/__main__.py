"""`python -m sagacity` is the command `sagacity`."""

from __future__ import annotations

from sagacity.cli.app import main

if __name__ == "__main__":
    main()
