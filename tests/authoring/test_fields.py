import datetime as dt
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypeVar

import pydantic.dataclasses
import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    computed_field,
    field_serializer,
    model_serializer,
)
from typing_extensions import TypeAliasType, TypedDict

from sagacity.authoring.codecs import codec_for
from sagacity.authoring.fields import NoFieldError, attribute, item
from sagacity.core.values import decode

T = TypeVar("T")
Key = str | int


class Colour(Enum):
    RED = "red"


@dataclass
class Payment:
    amount: int
    when: dt.date

    @property
    def doubled(self) -> int:
        return 2 * self.amount

    def pay(self) -> None: ...


@dataclass
class Box(Generic[T]):
    content: T
    more: list[T]
    label: str = ""


class Pair(NamedTuple):
    first: int
    second: str


class Options(TypedDict):
    fast: bool
    note: NotRequired[str]


class Model(BaseModel):
    amount_cents: int = Field(alias="amountCents")
    hidden: int = Field(default=0, exclude=True)
    inner: Payment

    @computed_field  # type: ignore[prop-decorator]
    @property
    def area(self) -> int:
        return 4


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    known: int


class OwnField(BaseModel):
    when: dt.date

    @field_serializer("when")
    def write(self, when: dt.date) -> dict[str, int]:
        return {"year": when.year}


class OwnJson(BaseModel):
    amount: int

    @model_serializer
    def write(self) -> dict[str, int]:
        return {"cents": self.amount}


class Listing(RootModel[list[Payment]]): ...


@pydantic.dataclasses.dataclass
class Checked:
    amount: int


Cents = NewType("Cents", Payment)
Alias = TypeAliasType("Alias", Payment)


class Foreign:
    """Only pydantic hooks know its JSON."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return handler(dict[str, int])


@pytest.mark.parametrize(
    ("type_", "name", "path", "field_type"),
    [
        (Payment, "amount", ("amount",), int),
        (Payment | None, "amount", ("amount",), int),
        (Annotated[Payment, "said"], "amount", ("amount",), int),
        (Cents, "amount", ("amount",), int),
        (Alias, "amount", ("amount",), int),
        (Box[int], "content", ("content",), int),
        (Box[int], "more", ("more",), list[int]),
        (Box[int], "label", ("label",), str),
        (Box, "content", ("content",), Any),
        (Pair, "second", (1,), str),
        (Checked, "amount", ("amount",), int),
        (Model, "amount_cents", ("amount_cents",), int),
        (Model, "inner", ("inner",), Payment),
        (Open, "known", ("known",), int),
        (Open, "other", ("other",), Any),
        (OwnField, "when", ("when",), Any),
        (OwnJson, "cents", ("cents",), Any),
        (Listing, "root", (), list[Payment]),
        (Foreign, "anything", ("anything",), Any),
        (Annotated[Payment, PlainSerializer(str)], "anything", ("anything",), Any),
        (Any, "anything", ("anything",), Any),
        (object, "anything", ("anything",), Any),
        (Payment | Checked, "amount", ("amount",), int),
        (Payment | Box[str], "content", ("content",), str),
        (Payment | Pair, "first", (0,), int),
    ],
)
def test_attributes_that_are_stored(
    type_: Any, name: str, path: tuple[Key, ...], field_type: Any
) -> None:
    """An attribute leads to where the codec stores it, and has the type declared there."""
    field = attribute(type_, name, {})
    assert (field.path, field.type) == (path, field_type)


@pytest.mark.parametrize(
    ("type_", "key", "path", "field_type"),
    [
        (dict[str, int], "k", ("k",), int),
        (dict, "k", ("k",), Any),
        (Mapping[str, Payment], "k", ("k",), Payment),
        (dict[int, str], 3, ("3",), str),
        (list[Payment], 0, (0,), Payment),
        (list[Payment], -1, (-1,), Payment),
        (list, 2, (2,), Any),
        (deque[int], 0, (0,), int),
        (Sequence[int], 0, (0,), int),
        (tuple[int, str], 1, (1,), str),
        (tuple[int, str], -1, (1,), str),
        (tuple[int, ...], 5, (5,), int),
        (Pair, 0, (0,), int),
        (Options, "fast", ("fast",), bool),
        (Listing, 0, (0,), Payment),
        (Any, "k", ("k",), Any),
        (Any, 0, (0,), Any),
        (list[int] | None, 0, (0,), int),
        (Foreign, "k", ("k",), Any),
    ],
)
def test_items_that_are_stored(
    type_: Any, key: Key, path: tuple[Key, ...], field_type: Any
) -> None:
    """An item or member leads to where it is in the JSON, and has its declared type."""
    field = item(type_, key, {})
    assert (field.path, field.type) == (path, field_type)


def test_qualifiers_of_members_are_taken_off_when_they_are_used() -> None:
    """A member that may be missing has the type that it has when it is there."""
    assert item(Options, "note", {}).path == ("note",)


@pytest.mark.parametrize(
    ("type_", "name", "text"),
    [
        (Payment, "amuont", 'Payment has no field "amuont"; did you mean "amount"?'),
        (Payment, "zzz", 'Payment has no field "zzz"; it has amount, when'),
        (Payment, "doubled", '"doubled" of Payment is not a stored field'),
        (Payment, "pay", "take the whole value in an action"),
        (Model, "area", '"area" of Model is not a stored field'),
        (Model, "hidden", 'Model has no field "hidden"'),
        (Model, "amountCents", 'did you mean "amount_cents"'),
        (Pair, "third", 'Pair has no field "third"; it has first, second'),
        (Options, "fast", 'Options is a dict: write ["fast"]'),
        (dict[str, int], "k", 'dict[str, int] has no attributes that are stored: write ["k"]'),
        (int, "real", '"real" is not stored: a value of type int has no fields'),
        (dt.date, "year", '"year" is not stored: a value of type date has no fields'),
        (Colour, "value", '"value" is not stored: a value of type Colour has no fields'),
        (Literal["a"], "x", '"x" is not stored'),
        (list[int], "append", '"append" is not stored'),
        (Payment | None, "zzz", 'Payment has no field "zzz"'),
        (None, "x", "a value of type None has no fields"),
        (int | str, "x", '"x" is not stored'),
    ],
)
def test_attributes_that_are_not_stored(type_: Any, name: str, text: str) -> None:
    """What provably is no field is told, with what there is or what to do."""
    with pytest.raises(NoFieldError) as caught:
        attribute(type_, name, {})
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("type_", "key", "text"),
    [
        (Payment, "amount", "the fields of Payment are attributes: write .amount"),
        (Options, "slow", 'Options has no field "slow"; it has fast, note'),
        (tuple[int, str], 2, "tuple[int, str] has 2 items: there is no [2]"),
        (Pair, 2, "Pair has 2 items: there is no [2]"),
        (list[int], "k", "list[int] is stored as an array: 'k' is no index of it"),
        (set[int], 0, "a value of type set[int] has no items"),
        (str, 0, "a value of type str has no items"),
        (uuid.UUID, 0, "a value of type UUID has no items"),
    ],
)
def test_items_that_are_not_stored(type_: Any, key: Key, text: str) -> None:
    """The same for items."""
    with pytest.raises(NoFieldError) as caught:
        item(type_, key, {})
    assert text in str(caught.value)


def test_a_field_that_is_stored_in_two_ways_is_ambiguous() -> None:
    """Where the members of a union store a field differently, it cannot be referred to."""

    class Other(NamedTuple):
        amount: int

    with pytest.raises(
        NoFieldError, match=r"stored differently in the members of Payment \| Other"
    ):
        attribute(Payment | Other, "amount", {})


@pytest.mark.parametrize(
    ("type_", "value", "steps"),
    [
        (Pair, Pair(3, "x"), ["second"]),
        (Model, Model(amountCents=5, inner=Payment(1, dt.date(2020, 1, 1))), ["inner", "amount"]),
        (dict[int, str], {3: "x"}, [3]),
        (dict[dt.date, int], {dt.date(2020, 1, 1): 4}, []),
        (Listing, Listing([Payment(1, dt.date(2020, 1, 1))]), ["root"]),
        (Options, {"fast": True}, ["fast"]),
        (Box[int], Box(1, [2]), ["more", 0]),
    ],
)
def test_a_field_is_where_the_codec_stores_it(type_: Any, value: Any, steps: list[Key]) -> None:
    """Following the paths through the JSON that the codec writes ends at a value."""
    stored = decode(codec_for(type_).encode(value))
    for step in steps:
        is_item = isinstance(step, int) or type_ is Options
        field = item(type_, step, {}) if is_item else attribute(type_, str(step), {})
        for part in field.path:
            stored = stored[part]
        type_ = field.type
    assert stored is not None


def test_a_date_as_key_is_stored_as_text() -> None:
    """A member is found under the name that its key is dumped as."""
    key: Any = dt.date(2020, 1, 1)
    assert item(dict[dt.date, int], key, {}).path == ("2020-01-01",)
