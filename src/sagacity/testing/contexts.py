"""`context(...)`: what an action is called with in a unit test.

    result = await charge_card(context(deps=Deps(...)), trip)
    await refund_card(context(deps=Deps(...), undo=True), result, trip)

Its arguments are those of `sagacity.authoring.make_context`.
"""

from __future__ import annotations

from sagacity.authoring.detached import make_context as context

__all__ = ["context"]
