"""The mistakes of those who begin: each is one error that says what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sagacity import Client, Context, DagError, Sec, action, open_store, saga
from tests.engine.test_same_id import one_node

if TYPE_CHECKING:
    from collections.abc import Callable


@action(read_only=True)
async def book(ctx: Context, days: int) -> int:
    return days


@saga
def book_trip(days: int) -> int:
    return book.node(days)


SEC: Any = Sec
CLIENT: Any = Client


@pytest.mark.parametrize("make", [SEC, CLIENT])
def test_a_url_is_no_store(make: Any) -> None:
    """The error says what makes a store of it, and does not repeat it: it may hold a password."""
    with pytest.raises(TypeError, match=r"must be a store, not a str: open_store\(") as caught:
        make("postgresql://ann:hunter2@host/db")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (book_trip, r'<saga "book_trip">: Sec\(store, \[book_trip\]\)'),
        (book, r'the action "book": Sec\(store, \[book\]\)'),
        ("book_trip", r"'book_trip': Sec\("),
        (3, r"3: Sec\("),
    ],
)
def test_one_saga_is_no_list_of_sagas(given: Any, shown: str) -> None:
    """The error says what a coordinator takes."""
    with pytest.raises(TypeError, match=f"must be a list of sagas .* ActionRegistry, not {shown}"):
        SEC(open_store("memory://"), given)


def test_what_is_no_saga_is_refused_among_sagas() -> None:
    """The error names it: a plain function, or a DAG, which has no code of its own."""
    dag, _, _ = one_node()
    with pytest.raises(TypeError, match="is no saga and no action: give functions declared with"):
        SEC(open_store("memory://"), [book_trip, one_node])
    with pytest.raises(TypeError, match=r"is no saga and no action: .* in an ActionRegistry"):
        SEC(open_store("memory://"), [dag])


ASKED: dict[str, Callable[[Any], Any]] = {
    "handle": lambda it: it.handle("abc"),
    "get": lambda it: it.get("abc"),
    "why": lambda it: it.why("abc"),
    "create": lambda it: it.create(book_trip, 3, id="abc"),
    "run": lambda it: it.run(book_trip, 3, id="abc"),
    "run, empty": lambda it: it.run(book_trip, 3, id=""),
}


@pytest.mark.parametrize("what", ASKED)
async def test_a_text_is_no_id(what: str) -> None:
    """The error says what an id is, and what makes one of a text."""
    async with Sec(open_store("memory://"), [book_trip]) as sec:
        with pytest.raises(TypeError, match=r"is a uuid\.UUID, not '.*saga_id_of\(key\)"):
            await ASKED[what](sec)


@pytest.mark.parametrize("what", ["handle", "get", "why", "create"])
async def test_a_text_is_no_id_for_a_client_either(what: str) -> None:
    """It is refused before the store is asked."""
    async with Client(open_store("memory://")) as client:
        with pytest.raises(TypeError, match=r"is a uuid\.UUID, not 'abc'"):
            await ASKED[what](client)


async def test_a_saga_that_was_not_given_to_the_coordinator_has_no_mistake() -> None:
    """The error says that the coordinator lacks code, and what to give it."""
    async with Sec(open_store("memory://"), []) as sec:
        with pytest.raises(DagError) as caught:
            await sec.run(book_trip, 3)
    assert str(caught.value) == (
        'saga "book_trip" cannot run here:\n'
        '  - no action "book" is registered\n'
        "The coordinator was not given the code that the saga needs. Give it the saga, or all its "
        "actions: Sec(store, [saga])"
    )
    assert caught.value.mistakes == ('no action "book" is registered',)
