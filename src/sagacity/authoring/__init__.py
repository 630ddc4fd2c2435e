"""How sagas are written: typed actions, traced saga functions, and the context.

What is made here is core's: a `Dag` and actions that fulfil core's `Action`. The
engine runs them without knowing how they were written.
"""

from sagacity.authoring.actions import DeclaredAction
from sagacity.authoring.context import Context
from sagacity.authoring.decorators import action, saga
from sagacity.authoring.detached import make_context
from sagacity.authoring.mistakes import collecting_mistakes
from sagacity.authoring.sagas import Saga

__all__ = [
    "Context",
    "DeclaredAction",
    "Saga",
    "action",
    "collecting_mistakes",
    "make_context",
    "saga",
]
