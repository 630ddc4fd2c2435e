"""What users test with: contexts for actions, and the promises of a store."""

from sagacity.testing.clock import ManualClock
from sagacity.testing.conformance import BrokenPromise, check_store
from sagacity.testing.contexts import context

__all__ = ["BrokenPromise", "ManualClock", "check_store", "context"]
