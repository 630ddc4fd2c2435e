from __future__ import annotations

from uuid import UUID

import pytest

from sagacity import saga_id_of
from sagacity.core.keys import MAX_KEY_CHARS


def test_a_key_stands_for_the_same_id_for_ever() -> None:
    """Ids that are in stores were made from it."""
    assert saga_id_of("ship order 17") == UUID("5e739fbd-a70a-5bcd-aac9-83cf38d2c93b")
    assert saga_id_of("ship order 17") != saga_id_of("ship order 18")
    assert saga_id_of("ship order 17").version == 5


@pytest.mark.parametrize("key", ["", "k" * (MAX_KEY_CHARS + 1), "\ud800"])
def test_what_is_no_key_is_refused(key: str) -> None:
    """At the limits, and what cannot be told to others."""
    with pytest.raises(ValueError, match="key"):
        saga_id_of(key)


def test_the_longest_key_is_one() -> None:
    """In characters, whatever their bytes."""
    assert saga_id_of("\U0001f600" * MAX_KEY_CHARS).version == 5
