"""Examples: each a small program of its own, run by the tests."""
