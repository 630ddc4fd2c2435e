"""How fast and how small: `python -m benchmarks`. The figures are in docs/performance.md."""
