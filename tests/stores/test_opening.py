"""URLs of stores: which there are, and what is said of the others."""

from pathlib import Path

import pytest

from sagacity.stores.memory import MemoryStore
from sagacity.stores.opening import open_store
from sagacity.stores.sqlite import SqliteStore


def test_memory_has_no_name() -> None:
    """Each call gives a store of its own."""
    assert isinstance(open_store("memory://"), MemoryStore)
    assert open_store("memory://") is not open_store("memory://")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///sagas.db", "sagas.db"),
        ("sqlite:///folder/sagas.db", "folder/sagas.db"),
        ("sqlite:////var/lib/sagas.db", "/var/lib/sagas.db"),
        ("sqlite:///my%20sagas%3F%23.db", "my sagas?#.db"),
        ("SQLITE:///sagas.db", "sagas.db"),
    ],
)
def test_three_slashes_are_relative_and_four_absolute(url: str, path: str) -> None:
    """As in SQLAlchemy, which most people know it from."""
    store = open_store(url)

    assert isinstance(store, SqliteStore)
    assert store._path == Path(path)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "sqlite:///"),
        ("sagas.db", "write sqlite:///sagas.db"),
        ("/var/lib/sagas.db", "write sqlite:////var/lib/sagas.db"),
        ("mysql://host/sagas", "no store of kind 'mysql'"),
        ("postgresql://host/sagas?lease=soon", "lease= takes"),
        ("file:///sagas.db", "no store of kind 'file'"),
        ("memory://name", "has no name"),
        ("memory:///name", "has no name"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///folder/", "names no file"),
        ("sqlite://sagas.db", "three slashes"),
        ("sqlite:sagas.db", "three slashes"),
        ("sqlite:///sagas.db?mode=ro", "takes no options"),
        ("sqlite:///sagas.db#1", "takes no options"),
        ("sqlite://[/sagas.db", "is not a URL"),
        ("sqlite:///a%00b.db", "NUL"),
    ],
)
def test_what_is_no_url_of_a_store_is_refused_with_what_would_be(url: str, said: str) -> None:
    """The text is for someone who has typed it on a command line."""
    with pytest.raises(ValueError, match=said):
        open_store(url)
