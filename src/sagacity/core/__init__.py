"""The pure core: what a saga is, what may happen to it, and what happens next.

No await, no clock, no randomness, no store (an import contract holds that).
"""
