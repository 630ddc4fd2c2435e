"""Text from a store, as people see it."""

import pytest

from sagacity.cli.text import ago, cut, duration, safe, safe_lines, shown_value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zürich, 東京 ✓", "Zürich, 東京 ✓"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("two\nlines\r\tand a tab", "two\\nlines\\r\\tand a tab"),
        ("\x9b2J clears the screen in Latin-1", "\\x9b2J clears the screen in Latin-1"),
        ("abc\u202edcba", "abc\\u202edcba"),
        ("\u2066isolated\u2069", "\\u2066isolated\\u2069"),
        ("a line\u2028another", "a line\\u2028another"),
        ("lone \ud800 surrogate", "lone \\ud800 surrogate"),
        ("\x7f\ufeff", "\\x7f\\ufeff"),
    ],
)
def test_what_a_terminal_could_obey_is_escaped(text: str, shown: str) -> None:
    """Nothing stored can move the cursor, colour a line or turn its order around."""
    assert safe(text) == shown


def test_lines_stay_lines_in_a_traceback() -> None:
    """Only the newline keeps its meaning."""
    assert safe_lines("a\n\tb\x1b[2J") == ["a", "    b\\x1b[2J"]


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (-5, "0 ms"),
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (59_940, "59.9 s"),
        (59_960, "60 s"),
        (60_000, "1 min 00 s"),
        (3_599_999, "59 min 59 s"),
        (3_600_000, "1 h 00 min"),
        (86_399_999, "23 h 59 min"),
        (86_400_000, "1 d 0 h"),
        (30 * 86_400_000, "30 d 0 h"),
    ],
)
def test_a_duration_has_two_units_at_most(milliseconds: int, shown: str) -> None:
    """From milliseconds to days."""
    assert duration(milliseconds) == shown


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(0, "now"), (999, "now"), (1_000, "1 s ago"), (61_000, "1 min ago"), (7_200_000, "2 h ago")],
)
def test_an_age_has_one_unit(milliseconds: int, shown: str) -> None:
    """What is far away need not be exact."""
    assert ago(milliseconds) == shown


def test_long_values_are_cut() -> None:
    """A value that fills the screen would hide the rest."""
    assert shown_value({"b": [1, None], "a": "\x1b"}, 100) == '{"b":[1,null],"a":"\\u001b"}'
    assert shown_value("x" * 50, 10) == '"xxxxxxxx…'
    assert cut("abc", 3) == "abc"
