"""What users test with: contexts for actions, and the promises of a store."""

from sagacity.testing.conformance import BrokenPromise, check_store
from sagacity.testing.contexts import context

__all__ = ["BrokenPromise", "check_store", "context"]
