"""The same work on another engine, in the same run: `python -m benchmarks.peers`."""
