import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagacity.core.paths import escape, join, unescape


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a", "a"),
        ("a/b", "a~1b"),
        ("a~b", "a~0b"),
        ("~1", "~01"),
        ("/~/", "~1~0~1"),
        ("", ""),
    ],
)
def test_a_name_is_one_part_of_a_path(name: str, part: str) -> None:
    """As in JSON Pointer: `~` becomes `~0`, `/` becomes `~1`, and nothing else changes."""
    assert escape(name) == part
    assert unescape(part) == name


def test_paths_are_joined_with_slashes() -> None:
    """Only the slashes between names separate; the saga itself has the empty path."""
    assert join("", "a/b") == "a~1b"
    assert join("a", "b") == "a/b"
    assert join(join("", "x"), "y/z") == "x/y~1z"


@given(st.lists(st.text(), min_size=1))
def test_a_path_gives_its_names_back(names: list[str]) -> None:
    """No two lists of names have one path (apart from the empty name at the top)."""
    path = escape(names[0])
    for name in names[1:]:
        path = f"{path}/{escape(name)}"
    assert [unescape(part) for part in path.split("/")] == names
