import datetime as dt
import decimal
import enum
import pathlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Protocol,
    TypeVar,
)

import pytest
from pydantic import BaseModel, RootModel
from typing_extensions import TypeAliasType, TypedDict

from sagacity import Secret
from sagacity.authoring.fits import may_fit

T = TypeVar("T")


@dataclass
class Payment:
    amount: int


@dataclass
class CardPayment(Payment):
    card: str


@dataclass
class Hotel:
    amount: int


@dataclass
class Box(Generic[T]):
    content: T


class Model(BaseModel):
    amount: int


class OtherModel(BaseModel):
    amount: int


class ModelBox(BaseModel, Generic[T]):
    content: T


class Numbers(RootModel[list[int]]): ...


class Pair(NamedTuple):
    first: int
    second: str


class Small(TypedDict):
    a: int


class Large(TypedDict):
    a: int
    b: str


class Loose(TypedDict):
    a: NotRequired[int]


class Wrong(TypedDict):
    a: str


class Colour(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    BIG = 3


class Shape(enum.Enum):
    ROUND = "round"


class Tree(TypedDict):
    left: "Tree"
    right: "list[Tree]"


class OtherTree(TypedDict):
    left: "OtherTree"
    right: "list[OtherTree]"


class HasAmount(Protocol):
    amount: int


Cents = NewType("Cents", int)
Alias = TypeAliasType("Alias", int)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (int, int),
        (Any, int),
        (int, Any),
        (int, object),
        (T, int),
        (bool, int),
        (int, float),
        (int, complex),
        (int, decimal.Decimal),
        (Cents, int),
        (int, Cents),
        (Alias, int),
        (Annotated[int, "x"], int),
        (int, int | None),
        (int | None, int),
        (int | None, str | None),
        (int | str, str | bytes),
        (None, int | None),
        (None, None),
        (CardPayment, Payment),
        (Payment, CardPayment),
        (Payment, HasAmount),
        (Box[int], Box[str]),
        (ModelBox[Any], ModelBox[int]),
        (ModelBox[int], ModelBox),
        (Numbers, list[int]),
        (list[int], Numbers),
        (list[int], list[float]),
        (list[int], list),
        (list[int], Sequence[int]),
        (list[int], set[int]),
        (tuple[int, str], tuple[int, str]),
        (tuple[int, ...], list[int]),
        (list[int], tuple[int, int]),
        (tuple[int, int], list[int]),
        (Pair, tuple[int, str]),
        (Pair, Pair),
        (dict[str, int], dict[str, float]),
        (dict[str, int], Mapping[str, int]),
        (dict[str, int], dict),
        (dict[int, int], dict[str, int]),
        (dict[str, Any], Payment),
        (Payment, dict[str, Any]),
        (dict[str, Any], Model),
        (Small, dict[str, Any]),
        (dict[str, Any], Small),
        (Large, Small),
        (Small, Loose),
        (Small, Payment),
        (str, dt.date),
        (dt.date, str),
        (str, uuid.UUID),
        (uuid.UUID, str),
        (str, pathlib.Path),
        (dt.datetime, dt.date),
        (Colour, str),
        (str, Colour),
        (Size, int),
        (int, Size),
        (Literal["a"], str),
        (str, Literal["a"]),
        (Literal[1], float),
        (Literal["red"], Colour),
        (bytes, str),
    ],
)
def test_what_may_turn_out_well_passes(source: Any, target: Any) -> None:
    """What a type checker accepts, and what the JSON may accept, is no mistake."""
    assert may_fit(source, target)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (int, str),
        (str, int),
        (str, bool),
        (float, str),
        (None, int),
        (int, None),
        (int, Payment),
        (Payment, int),
        (Payment, Hotel),
        (Model, OtherModel),
        (Payment, Model),
        (list[int], int),
        (int, list[int]),
        (str, list[str]),
        (list[int], str),
        (list[int], list[str]),
        (list[Payment], list[Hotel]),
        (list[int], dict[str, int]),
        (tuple[int, str], tuple[int, int]),
        (tuple[int, str], tuple[int, str, int]),
        (tuple[str, ...], list[int]),
        (list[str], tuple[int, int]),
        (tuple[int, str], list[int]),
        (Pair, tuple[int, int]),
        (dict[str, int], dict[str, str]),
        (dict[str, int], list[int]),
        (Small, Large),
        (Small, Wrong),
        (Small, list[int]),
        (int | float, str | Payment),
        (dt.date, uuid.UUID),
        (dt.date, int),
        (uuid.UUID, Payment),
        (Colour, Shape),
        (Colour, int),
        (Size, str),
        (Literal["a"], int),
        (Literal[1], str),
        (None, str),
        (bytes, int),
    ],
)
def test_what_cannot_turn_out_well_is_told(source: Any, target: Any) -> None:
    """What a type checker refuses, and no JSON of the one type can be read as the other."""
    assert not may_fit(source, target)


def test_recursive_types_have_an_end() -> None:
    """A type that contains itself is compared to a bounded depth."""
    assert may_fit(Tree, OtherTree)


@pytest.mark.parametrize(
    ("source", "target", "fits"),
    [
        (Secret[str], Secret[str], True),
        (Secret[str], Secret[int], False),
        (Secret[str], Secret, True),
        (str, Secret[str], True),
        (int, Secret[str], False),
        (Secret[str], str, False),
        (Secret[dict[str, int]], dict[str, int], False),
        (Secret[str], str | Secret[str], True),
        (Secret[str], Any, True),
    ],
)
def test_a_secret_fits_where_one_is_wanted(source: Any, target: Any, fits: bool) -> None:
    """A plain value may become one; the other way it is revealed in an action."""
    assert may_fit(source, target) is fits
