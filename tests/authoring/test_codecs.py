import datetime as dt
import enum
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypeVar
from typing import TypedDict as TypingTypedDict
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, computed_field
from typing_extensions import TypedDict

from sagacity.authoring.codecs import NoCodecError, codec_for
from sagacity.core.secret import Secret
from sagacity.core.values import MAX_DEPTH, MOST_VALUE_BYTES
from sagacity.errors import ValueNotStorable

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    DEEP = 3


class Size(enum.IntEnum):
    BIG = 3


class Pair(NamedTuple):
    number: int
    when: dt.date = dt.date(2020, 1, 1)


@dataclass(frozen=True)
class Inner:
    colour: Colour
    pair: Pair


@dataclass
class Outer:
    inner: Inner
    many: list[Inner]
    by_name: dict[str, Inner | None]
    counted: int = field(init=False, default=3)


@dataclass(frozen=True, slots=True)
class Slotted:
    one: int


@dataclass
class Box(Generic[T]):
    content: T


class Options(TypedDict):
    fast: bool
    note: NotRequired[dt.date]


class OldOptions(TypingTypedDict):
    fast: bool
    inner: list[Options]


@dataclass
class HoldsOld:
    options: OldOptions


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")
    amount_cents: int = Field(alias="amountCents")
    written: int = Field(validation_alias="readAs", serialization_alias="writeAs")
    when: dt.datetime

    @computed_field  # type: ignore[prop-decorator]
    @property
    def area(self) -> int:
        return 4


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)
    when: dt.datetime
    id: uuid.UUID
    price: Decimal
    items: tuple[int, str]
    tags: frozenset[str]
    colour: Colour
    path: Path


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    barks: bool


class Numbers(RootModel[list[int]]): ...


Cents = NewType("Cents", int)

UTC = dt.UTC
NOON = dt.datetime(2024, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)
ID = uuid.UUID(int=99)
MODEL = Model.model_validate({"amountCents": 5, "readAs": 6, "when": NOON})
STRICT = Strict(
    when=NOON,
    id=ID,
    price=Decimal("1.10"),
    items=(1, "a"),
    tags=frozenset({"x"}),
    colour=Colour.DEEP,
    path=Path("/a/b"),
)
INNER = Inner(Colour.RED, Pair(1, dt.date(2024, 2, 29)))


STORABLE: list[tuple[Any, Any]] = [
    (Any, {"a": [1, 2.5, None, True, "x"]}),
    (object, [1]),
    (None, None),
    (bool, True),
    (int, -(2**63)),
    (int, 2**64 - 1),
    (float, 0.1),
    (float, 3),
    (str, "é\n\u2028"),
    (dict, {"a": {"b": []}}),
    (dict[str, Any], {"a": [{}]}),
    (dict[str, int], {"b": 1, "a": 2}),
    (dict[int, str], {1: "x"}),
    (dict[uuid.UUID, int], {ID: 1}),
    (list, [1, "a", None]),
    (list[Any], [1, "a", None]),
    (list[dt.date], [dt.date.min, dt.date.max]),
    (Sequence[int], [1, 2]),
    (set[int], {1, 2}),
    (frozenset[str], frozenset({"a"})),
    (tuple[int, str], (1, "a")),
    (tuple[dt.date, ...], (dt.date(2024, 1, 1),)),
    (Colour, Colour.DEEP),
    (Size, Size.BIG),
    (Literal["a", 3], 3),
    (dt.datetime, NOON),
    (dt.datetime, NOON.replace(tzinfo=None)),
    (dt.datetime, dt.datetime(2024, 5, 1, 12, tzinfo=ZoneInfo("Europe/Paris"))),
    (dt.datetime, dt.datetime.max.replace(tzinfo=UTC)),
    (dt.date, dt.date(2024, 2, 29)),
    (dt.time, dt.time(23, 59, 59, 999999)),
    (dt.time, dt.time(1, 2, tzinfo=UTC)),
    (dt.timedelta, dt.timedelta(days=-3, microseconds=1)),
    (dt.timedelta, dt.timedelta.max),
    (dt.timedelta, dt.timedelta.min),
    (uuid.UUID, ID),
    (Decimal, Decimal("1.10")),
    (Decimal, Decimal("-1E+20")),
    (Path, Path("a/b")),
    (bytes, "é".encode()),
    (Cents, Cents(3)),
    (Annotated[int, Field(gt=0)], 3),
    (int | None, None),
    (int | str, "3"),
    (int | str, 3),
    (float | int, 3),
    (Inner | None, INNER),
    (Pair, Pair(3)),
    (list[Pair], [Pair(3), Pair(4, dt.date(1999, 1, 1))]),
    (Inner, INNER),
    (Outer, Outer(INNER, [INNER], {"a": INNER, "b": None})),
    (Slotted, Slotted(3)),
    (Box[int], Box(3)),
    (Box[list[dt.date]], Box([dt.date(2024, 1, 1)])),
    (Options, {"fast": True}),
    (Options, {"fast": True, "note": dt.date(2024, 1, 1)}),
    (OldOptions, {"fast": True, "inner": [{"fast": False}]}),
    (HoldsOld, HoldsOld({"fast": True, "inner": []})),
    (Model, MODEL),
    (list[Model], [MODEL]),
    (Strict, STRICT),
    (Cat | Dog, Dog(barks=True)),
    (Annotated[Cat | Dog, Field(discriminator="kind")], Cat(lives=9)),
    (Numbers, Numbers([1, 2])),
]


@pytest.mark.parametrize(
    ("type_", "value"),
    STORABLE,
    ids=lambda each: repr(each)[:40],
)
def test_a_value_comes_back_as_it_was(type_: Any, value: Any) -> None:
    """Stored and read, a value of every kind of type is equal and of the same class."""
    codec = codec_for(type_)
    again = codec.decode(codec.encode(value))
    assert again == value
    assert type(again) is type(value) or type_ is float


storable_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | storable_text,
    lambda inner: st.lists(inner) | st.dictionaries(storable_text, inner),
    max_leaves=20,
)


@dataclass
class Everything:
    text: str
    number: int
    real: float
    when: dt.datetime
    day: dt.date
    length: dt.timedelta
    id: uuid.UUID
    price: Decimal
    colour: Colour
    pair: Pair
    json: Any
    either: int | str | None
    nested: dict[str, list[tuple[bool, Size | None]]]


everything = st.builds(
    Everything,
    text=storable_text,
    number=st.integers(-(2**63), 2**64 - 1),
    real=st.floats(allow_nan=False, allow_infinity=False),
    when=st.datetimes(timezones=st.none() | st.just(UTC)),
    day=st.dates(),
    length=st.timedeltas(),
    id=st.uuids(),
    price=st.decimals(allow_nan=False, allow_infinity=False),
    colour=st.sampled_from(Colour),
    pair=st.builds(Pair, st.integers(-(2**63), 2**64 - 1), st.dates()),
    json=json_values,
    either=st.integers(-(2**63), 2**64 - 1) | storable_text | st.none(),
    nested=st.dictionaries(
        storable_text, st.lists(st.tuples(st.booleans(), st.sampled_from(Size) | st.none()))
    ),
)


@given(everything)
def test_any_value_comes_back_as_it_was(value: Everything) -> None:
    """The same for whatever values Hypothesis finds, and writing it again gives the same text."""
    codec = codec_for(Everything)
    text = codec.encode(value)
    assert codec.decode(text) == value
    assert codec.encode(codec.decode(text)) == text


@given(json_values)
def test_json_of_no_stated_type_comes_back_as_it_was(value: Any) -> None:
    """JSON needs no type: what is stored of it is it."""
    for type_ in (Any, object):
        codec = codec_for(type_)
        assert codec.decode(codec.encode(value)) == value


def test_fields_are_stored_under_their_own_names() -> None:
    """Aliases may differ between reading and writing; computed fields could not be read."""
    stored = codec_for(Model).encode(MODEL)
    assert stored == b'{"amount_cents":5,"when":"2024-05-01T12:30:15.123456Z","written":6}'


def test_people_may_use_names_or_aliases() -> None:
    """A dict given for a model is read by either."""
    codec = codec_for(Model)
    by_alias = codec.encode({"amountCents": 5, "readAs": 6, "when": NOON})
    assert by_alias == codec.encode({"amount_cents": 5, "written": 6, "when": NOON})


def test_values_without_a_stated_type_are_taken_as_json() -> None:
    """Without a type a record is stored too, and comes back as the JSON that it became."""
    codec = codec_for(Any)
    assert codec.decode(codec.encode(INNER)) == {"colour": "red", "pair": [1, "2024-02-29"]}
    codec = codec_for(dict[str, Any])
    assert codec.decode(codec.encode({"a": INNER.pair})) == {"a": [1, "2024-02-29"]}


class Key(enum.Enum):
    NUMBER = 1
    TEXT = "1"


@dataclass
class Tagged:
    tags: set[int]
    by_number: dict[int, str]


LOST: list[tuple[Any, Any, str]] = [
    (Any, {1: 2, "1": 3}, "member name 1 is not a string (at $)"),
    (Any, {"a": [{"b": {None: 1}}]}, "member name None is not a string (at $.a[0].b)"),
    (Any, {Key.TEXT: 1}, "member name of type Key is not a string"),
    (Any, {10**5000: 1}, "member name of type int is not a string"),
    (dict, {1: "x"}, "member name 1 is not a string"),
    (dict[str, Any], {"a": {1: "x"}}, "member name 1 is not a string (at $.a)"),
    (list[Any], [dt.date.min, {1: "x"}], "member name 1 is not a string (at $[1])"),
    (Any, {1, 2}, "a set is not a JSON type"),
    (Any, [frozenset({1})], "a set is not a JSON type: declare its type (`set[int]`), or"),
    (list, [{1}], "a set is not a JSON type"),
    (Any, {"a": b"ab"}, "bytes are no JSON type"),
    (Any, Secret({"a": (b"ab",)}), "bytes are no JSON type"),
    (dict[int | str, int], {1: 2, "1": 3}, "two keys have the same text, '1'"),
    (dict[Key, int], {Key.NUMBER: 1, Key.TEXT: 2}, "two keys have the same text, '1'"),
    (list[dict[Any, int]], [{1: 2, "1": 3}], "two keys have the same text, '1'"),
    (Box[Any], Box({"a": {1: 2, "1": 3}}), "two keys have the same text, '1'"),
    (dict[int, int], {1: 2, "1": 3}, "no dict[int, int]: two keys become the same one"),
]


@pytest.mark.parametrize(("type_", "value", "reason"), LOST, ids=[each[2] for each in LOST])
def test_what_would_be_lost_without_a_word_is_refused(type_: Any, value: Any, reason: str) -> None:
    """JSON has text as names of members, no sets and no bytes; only a type can bring these back."""
    with pytest.raises(ValueNotStorable) as caught:
        codec_for(type_).encode(value)
    assert reason in str(caught.value)


def test_a_record_in_a_value_of_no_stated_type_is_stored_by_its_own_types() -> None:
    """It declares what its members are; what comes back is their JSON."""
    stored = codec_for(Any).encode([Tagged({1}, {1: "x"})])
    assert stored == b'[{"by_number":{"1":"x"},"tags":[1]}]'


def test_text_that_looks_like_a_name_is_none() -> None:
    """Whether members were lost is seen by the ends of their names."""
    value = {1: '":', '":': '\\":"a":'}
    codec = codec_for(dict[int | str, str])
    assert codec.decode(codec.encode(value)) == {"1": '":', '":': '\\":"a":'}


def small(value: int) -> int:
    if value > 9:
        raise ValueError("too large")
    return value


@dataclass
class Limited:
    amount: Annotated[int, AfterValidator(small)]
    rest: list[Options] = field(default_factory=list)


class Opaque:
    """A class that pydantic knows nothing of."""

    def __repr__(self) -> str:
        return "Opaque()"  # without its address: test names must not differ from run to run


loop: list[Any] = []
loop.append(loop)
deep: list[Any] = []
for _ in range(MAX_DEPTH + 1):
    deep = [deep]


REFUSED: list[tuple[Any, Any, str]] = [
    (float, math.nan, "nan is not a JSON number"),
    (float, math.inf, "inf is not a JSON number"),
    (Any, math.nan, "nan is not a JSON number"),
    (dict[str, Any], {"a": math.nan}, "nan is not a JSON number"),
    (Box[float], Box(math.nan), "nan is not a JSON number"),
    (int, 2**64, "integer outside"),
    (str, "\0", "NUL"),
    (str, "\ud800", "surrogate"),
    (str, "x" * MOST_VALUE_BYTES, "over the limit"),
    (bytes, b"\xff", "not of type bytes: "),
    (Any, deep, "nested deeper"),
    (Any, Opaque(), "Opaque"),
    (Box[Any], Box({"a": [math.nan]}), "nan is not a JSON number"),
    (int, "x", "not of type int: Input should be a valid integer"),
    (None, 3, "not None"),
    (Slotted, 3, "not of type Slotted: Input should be"),
    (Slotted, Slotted("x"), "not of type Slotted: "),  # type: ignore[arg-type]
    (Limited, Limited(10), "it could not be read back: amount: Value error, too large"),
    (Limited, Limited(1, [{}]), "it could not be read back: rest.0.fast: Field required"),  # type: ignore[typeddict-item]
    (Literal["a"], "b", "not of type Literal['a']: "),
]


@pytest.mark.parametrize(
    ("type_", "value", "reason"),
    REFUSED,
    ids=lambda each: repr(each)[:40],
)
def test_what_cannot_be_stored_or_read_back_is_refused(type_: Any, value: Any, reason: str) -> None:
    """Refused before it is written, with the reason on one line."""
    with pytest.raises(ValueNotStorable) as caught:
        codec_for(type_).encode(value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_value_that_contains_itself_is_refused() -> None:
    """It has no JSON; the depth is bounded."""
    with pytest.raises(ValueNotStorable):
        codec_for(Any).encode(loop)


@pytest.mark.parametrize("type_", [Opaque, list[Opaque], Box[Opaque], Opaque | None])
def test_a_type_without_json_has_no_codec(type_: Any) -> None:
    """It is told when the codec is asked for, not when the first value is there."""
    with pytest.raises(NoCodecError, match="has no JSON form"):
        codec_for(type_)


def test_types_that_cannot_be_hashed_have_codecs() -> None:
    """Metadata may be anything; such a codec is only not kept."""
    codec = codec_for(Annotated[int, {"not": "hashable"}])
    assert codec.decode(codec.encode(3)) == 3


def test_local_classes_are_found_by_name() -> None:
    """A record whose annotations name classes of a function needs that function's names."""

    def declare() -> tuple[type, dict[str, Any]]:
        @dataclass
        class Local:
            number: int

        @dataclass
        class Holder:
            local: "Local"

        return Holder, locals()

    holder, names = declare()
    with pytest.raises(NoCodecError):
        codec_for(holder)
    codec = codec_for(holder, names)
    assert codec.decode(b'{"local":{"number":3}}').local.number == 3


def test_reading_another_type_is_an_error() -> None:
    """JSON that was stored for another type is refused and not bent."""
    with pytest.raises(ValueError, match="validation error"):
        codec_for(Slotted).decode(b'{"two":3}')


def test_warnings_never_reach_the_user(recwarn: pytest.WarningsRecorder) -> None:
    """A value that is not of its type is an error; pydantic's warnings are not shown."""
    wrong: Any = "x"
    with pytest.raises(ValueNotStorable):
        codec_for(Slotted).encode(Slotted(wrong))
    assert not recwarn.list
