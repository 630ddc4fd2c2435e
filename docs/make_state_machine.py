"""Draw docs/state-machine.md from the transition table: `python docs/make_state_machine.py`.

A test compares the file with what this makes, so the picture cannot drift.
"""

from __future__ import annotations

from pathlib import Path

from sagacity.core.transitions import TRANSITIONS, NodeStatus

PAGE = Path(__file__).with_name("state-machine.md")

HEAD = """\
# The state machine of a node

Drawn from the table in `sagacity.core.transitions`. What is not here is illegal, and a log that
says it is refused.

```mermaid
stateDiagram-v2
    [*] --> never_started
"""

TAIL = """\
    succeeded --> [*]
    failed --> [*]
    undone --> [*]
```

* `failed` had no effect: there is nothing to take back. `unknown` failed too, but an effect is
  possible: it is undone like a success.
* `started` again, and `undo_started` again, are legal only after an attempt that failed and is
  retried (`attempt_failed`, `undo_attempt_failed`) or was interrupted: then the log has an
  `adopted` in between.
* From `started` straight to an undo: the attempt was interrupted while the saga unwinds, and its
  undo accepts an unknown outcome.
* `undo_finished` without `undo_started`: there is nothing to take back (`how` is `nothing`).

The table does not say what depends on more than one node: a node starts when all that it depends
on has succeeded, and is undone when all that depends on it is settled.

| status | event | becomes |
|---|---|---|
"""


def page() -> str:
    """Return the text of the page."""
    arrows = [
        f"    {before} --> {after}: {event}\n"
        for (before, event), afters in TRANSITIONS.items()
        for after in afters
    ]
    rows = [
        f"| `{before}` | `{event}` | {' or '.join(f'`{after}`' for after in afters)} |\n"
        for (before, event), afters in TRANSITIONS.items()
    ]
    final = [status for status in NodeStatus if all(status is not key[0] for key in TRANSITIONS)]
    assert set(final) == {NodeStatus.FAILED, NodeStatus.UNDONE, NodeStatus.UNDO_FAILED}
    return HEAD + "".join(arrows) + TAIL + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
