from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypedDict, cast

import pytest

from sagacity.authoring import Context, action, collecting_mistakes, saga
from sagacity.authoring.mistakes import Mistakes
from sagacity.errors import DagError, TraceError, ValueNotStorable
from tests.authoring.driving import mistakes_in


@dataclass
class Trip:
    who: str


@dataclass
class Payment:
    amount: int


@action(read_only=True)
async def pay(ctx: Context, trip: Trip) -> Payment:
    return Payment(1)


@action(read_only=True)
async def add(ctx: Context, one: int, two: int = 2) -> int:
    return one + two


@action
async def careless(ctx: Context) -> None: ...


loose_add: Any = add
loose_pay: Any = pay


MEANT = 'did you mean "amount"?'
NO_INTEGER = "Input should be a valid integer, unable to parse string as an integer"
SAY_WHICH = (
    "give it an undo, or say read_only=True (it has no effect), "
    'no_undo="harmless" (its effect may stay), no_undo="ask" (a person decides) '
    'or no_undo="pivot" (the point of no return), or let it come after a pivot'
)


def test_all_mistakes_are_told_at_once() -> None:
    """One error names everything that is wrong, each with saga, node and parameter."""

    def declare() -> None:
        kill: Any = "kill"

        @saga(siblings=kill)
        def s(trip: Trip) -> str:
            payment = loose_pay.node(trip)
            loose_add.node(payment.amuont)
            loose_add.node(trip, two="x")
            loose_add.options(node="third", after=[trip]).node()
            careless.node()
            return cast("str", payment)

    in_add = 'saga "s", node "add"'
    third = 'saga "s", node "third"'
    assert mistakes_in(declare) == (
        'saga "s": siblings=\'kill\' must be "finish" or "cancel"',
        f'{in_add}, parameter "one": pay.amuont: Payment has no field "amuont"; {MEANT}',
        f'{in_add}: the name is used more than once; choose one with .options(node="...")',
        f'{in_add}, parameter "one": trip is Trip, not int',
        f"{in_add}, parameter \"two\": 'x': not of type int: {NO_INTEGER}",
        f"{third}: after= names trip, which is no node",
        f'{third}: action "add" is not given "one"; it takes one, two',
        f'saga "s", node "careless": action "careless" has no undo: {SAY_WHICH}',
        'saga "s": its output: pay is Payment, not str',
    )


def test_a_field_that_nobody_uses_is_a_mistake_too() -> None:
    """Then there is no node to name."""

    def declare() -> None:
        @saga
        def s(trip: Any) -> None:
            _ = loose_pay.node(trip).amuont
            add.node(1)

    assert mistakes_in(declare) == (
        f'saga "s": pay.amuont: Payment has no field "amuont"; {MEANT}',
    )


def test_a_field_that_is_returned_is_told_as_the_output() -> None:
    """Where it is used is where it is told, once."""

    def declare() -> None:
        @saga
        def s(trip: Trip) -> Any:
            return loose_pay.node(trip).amuont

    assert mistakes_in(declare) == (
        f'saga "s": its output: pay.amuont: Payment has no field "amuont"; {MEANT}',
    )


def test_a_record_around_references_must_be_what_is_wanted() -> None:
    """Its own type and those of its parts are checked."""

    def declare() -> None:
        @saga
        def s(trip: Trip) -> None:
            payment = pay.node(trip)
            loose_add.node([payment.amount], {"two": payment})
            loose_pay.options(node="two").node(replace(Payment(1), amount=cast("Any", payment)))
            loose_pay.options(node="three").node({"who": payment.amount})

    assert mistakes_in(declare) == (
        'saga "s", node "add", parameter "one": a list is given, not int',
        'saga "s", node "add", parameter "two": a dict is given, not int',
        'saga "s", node "two", parameter "trip": a Payment is given, not Trip',
        'saga "s", node "two", parameter "trip": pay is Payment, not int',
        'saga "s", node "three", parameter "trip": pay.amount is int, not str',
    )


def test_members_that_are_not_there_are_told() -> None:
    """A `TypedDict` says which there are."""

    class Options(TypedDict):
        fast: bool

    def declare() -> None:
        @saga
        def s(options: Options) -> None:
            loose: Any = options
            add.node(loose["fats"])

    (mistake,) = mistakes_in(declare)
    assert mistake.startswith('saga "s", node "add", parameter "one": options[\'fats\']: Options')
    assert mistake.endswith('has no field "fats"; did you mean "fast"?')


def test_after_takes_references_only() -> None:
    """A name is no reference: it may be misspelt."""

    def declare() -> None:
        @saga
        def s() -> None:
            add.options(after=["pay"]).node(1)

    assert mistakes_in(declare) == (
        'saga "s", node "add": after= takes references to nodes, not \'pay\'',
    )


@action(read_only=True)
async def mix(ctx: Context, base: int, colour: str, *, shade: int, gloss: int = 0) -> int:
    return base


TAKES = "takes base, colour, shade (by name), gloss (by name)"


@pytest.mark.parametrize(
    ("args", "kwargs", "texts"),
    [
        # One that is unknown and one that is missing are one mistake, however unlike.
        ((1, "red"), {"m": 1}, [f'has no input "m"; did you mean "shade"? It {TAKES}']),
        ((1, "red"), {"shad": 1}, [f'has no input "shad"; did you mean "shade"? It {TAKES}']),
        (
            (1,),
            {"color": "red", "sade": 1},
            [
                f'has no input "color"; did you mean "colour"? It {TAKES}',
                f'has no input "sade"; did you mean "shade"? It {TAKES}',
            ],
        ),
        # A hint can be at one that may be left out; then what is missing is told as well.
        (
            (1, "red"),
            {"glos": 1, "zzz": 2},
            [
                f'has no input "glos"; did you mean "gloss"? It {TAKES}',
                f'has no input "zzz"; did you mean "shade"? It {TAKES}',
            ],
        ),
        (
            (),
            {"zzz": 2},
            [
                f'has no input "zzz"; it {TAKES}',
                f'is not given "base", "colour", "shade"; it {TAKES}',
            ],
        ),
        ((1, "red"), {"shade": 1, "zzz": 2}, [f'has no input "zzz"; it {TAKES}']),
        (
            (1, "red", 3),
            {"shade": 1},
            [f"is given 3 inputs by position, and at most 2 can be; it {TAKES}"],
        ),
        (
            (1, "red"),
            {"shade": 1, "colour": "blue"},
            [f'is given "colour" both by position and by name; it {TAKES}'],
        ),
    ],
)
def test_calls_that_do_not_fit_an_action_say_what_it_takes(
    args: Any, kwargs: Any, texts: list[str]
) -> None:
    """Each mistake once: a misspelt input is not told as a missing one, too."""
    loose_mix: Any = mix

    def declare() -> None:
        @saga
        def s() -> None:
            loose_mix.node(*args, **kwargs)

    assert mistakes_in(declare) == tuple(
        f'saga "s", node "mix": action "mix" {text}' for text in texts
    )


def test_an_action_without_inputs_says_so() -> None:
    """There is nothing to list then."""
    loose: Any = careless

    def declare() -> None:
        @saga
        def s() -> None:
            loose.node(x=1)

    assert mistakes_in(declare)[-1] == (
        'saga "s", node "careless": action "careless" has no input "x"; it takes none'
    )


MISSPELT = 'action "add" has no input "tow"; did you mean "two"? It takes one, two'


def test_what_fits_of_a_call_is_checked_though_the_rest_does_not_fit() -> None:
    """All mistakes are told at once, those of one call too."""

    def declare() -> None:
        @saga
        def s(trip: Trip) -> None:
            loose_add.node(trip, tow=2)

    assert mistakes_in(declare) == (
        f'saga "s", node "add": {MISSPELT}',
        'saga "s", node "add", parameter "one": trip is Trip, not int',
    )


OPTIONS_OF_AN_ACTION = (
    'node="..." (the node\'s name), after=[...], label="...", retry=Retry(...), timeout=seconds'
)
OPTIONS_OF_A_SAGA = 'node="..." (the node\'s name), after=[...]'


@pytest.mark.parametrize(
    ("args", "options", "given"),
    [
        ((), {"name": "x"}, "name=..."),
        ((), {"node": "x", "name": "x", "afer": []}, "name=..., afer=..."),
        (("x",), {}, "'x'"),
    ],
)
def test_options_that_do_not_exist_are_answered_with_those_that_do(
    args: Any, options: Any, given: str
) -> None:
    """Also with how a node gets its name, which is called `name=` elsewhere."""

    @saga
    def inner() -> int:
        return add.node(1)

    loose_inner: Any = inner
    for loose, known in ((loose_add, OPTIONS_OF_AN_ACTION), (loose_inner, OPTIONS_OF_A_SAGA)):
        with pytest.raises(TraceError) as caught:
            loose.options(*args, **options)
        assert str(caught.value) == f"{loose.name}.options({given}): the options are {known}"


def test_a_use_of_a_reference_ends_the_trace_and_is_told_with_the_rest() -> None:
    """The error is a `TraceError` and a `DagError`: what was found before is in it."""
    with pytest.raises(TraceError) as caught:

        @saga
        def s(trip: Trip) -> None:
            careless.node()
            if trip.who:
                add.node(1)

    assert isinstance(caught.value, DagError)
    assert len(caught.value.mistakes) == 2
    assert "trip.who is only known when the saga runs" in caught.value.mistakes[1]


def test_an_exception_of_the_function_is_a_mistake() -> None:
    """It is told with the rest, and chained for who wants to see where it was raised."""
    with pytest.raises(DagError) as caught:

        @saga
        def s() -> None:
            careless.node()
            raise KeyError("x")

    assert caught.value.mistakes[1] == "saga \"s\": its function raised KeyError: 'x'"
    assert isinstance(caught.value.__cause__, KeyError)
    assert not isinstance(caught.value, TraceError)


def nothing() -> None: ...


def forgets_to_return(trip: Trip) -> Payment:  # type: ignore[return]
    pay.node(trip)


def two_params(trip: Trip, other: Trip) -> Any:
    return [pay.node(trip), pay.options(node="two").node(other)]


def keyword_only(*, trip: Trip) -> Payment:
    return pay.node(trip)


def has_default(trip: Trip | None = None) -> int:
    return add.node(1)


def variadic(*trips: Trip) -> Any:
    return add.node(1)


async def is_async(trip: Trip) -> Payment:
    return pay.node(trip)


def is_generator(trip: Trip) -> Any:
    yield pay.node(trip)


def opaque_params(trip: pytest.FixtureRequest) -> None:
    add.node(1)


def unresolved(trip: int) -> int:
    return add.node(trip)


unresolved.__annotations__["trip"] = "Nowhere"


def wrong_constant() -> int:
    add.node(1)
    return cast("int", "x")


NO_SAGAS: list[tuple[Callable[..., Any], str]] = [
    (nothing, "it has no nodes: its function calls no .node(...)"),
    (forgets_to_return, "its function returns nothing, but says that it gives Payment"),
    (two_params, "its function has parameters trip, other; it takes one, or none"),
    (keyword_only, 'parameter "trip": it is keyword-only'),
    (has_default, 'parameter "trip": params have no default'),
    (variadic, 'parameter "trips": *args and **kwargs'),
    (is_async, "its function is async"),
    (is_generator, "it is a generator function"),
    (opaque_params, 'parameter "trip": FixtureRequest has no JSON form'),
    (unresolved, "parameter \"trip\": annotation 'Nowhere' cannot be resolved"),
    (wrong_constant, "its output: 'x': not of type int"),
]


@pytest.mark.parametrize(("function", "text"), NO_SAGAS)
def test_functions_that_cannot_be_sagas_are_told(function: Callable[..., Any], text: str) -> None:
    """What is wrong with the function itself."""
    assert any(text in mistake for mistake in mistakes_in(lambda: saga(function)))


def test_a_dynamic_saga_over_nothing_is_told_what_to_do() -> None:
    """Its function does call nodes, though not for these params."""

    @saga(dynamic=True)
    def each(count: int) -> list[int]:
        return [add.options(node=f"n{index}").node(index) for index in range(count)]

    assert each.dag_for(1).paths == ("n0",)
    (mistake,) = mistakes_in(lambda: each.dag_for(0))
    assert mistake.startswith('saga "each": it has no nodes for these params: ')
    assert mistake.endswith("or let it have a node that does nothing")


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "a\x7f", "a\x85b", "a\u2028b", "\0"])
def test_the_name_of_a_node_stays_in_its_line(name: str) -> None:
    """Control characters and line breaks are refused."""

    @saga(dynamic=True)
    def s() -> int:
        return add.options(node=name).node(1)

    assert f"{name!r} is no name of a node" in mistakes_in(lambda: s.dag_for(None))[0]


@pytest.mark.parametrize("name", ["a/b", "a b", "a\xa0b", "Zürich", "👩\u200d🚀"])
def test_other_characters_may_be_in_a_name(name: str) -> None:
    """A slash too: it is escaped in paths."""

    @saga(dynamic=True)
    def s() -> int:
        return add.options(node=name).node(1)

    assert s.dag_for(None).nodes[0].name == name


@pytest.mark.parametrize("dynamic", [True, False])
def test_a_dynamic_saga_is_checked_when_it_is_declared(dynamic: bool) -> None:
    """What is wrong with its function does not wait for a create."""
    assert mistakes_in(lambda: saga(dynamic=dynamic)(has_default))


def test_two_actions_of_one_name_are_a_mistake() -> None:
    """A stored node finds its action by name; in a subsaga it counts as well."""

    @action(name="add", read_only=True)
    async def other(ctx: Context) -> None: ...

    @saga
    def inner() -> None:
        other.node()

    def beside() -> None:
        @saga
        def s() -> None:
            add.node(1)
            other.options(node="other").node()

    def below() -> None:
        @saga
        def s() -> None:
            add.node(1)
            inner.node()

    assert 'there is another action called "add"' in mistakes_in(beside)[0]
    assert 'a subsaga has another action called "add"' in mistakes_in(below)[0]


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_names_of_nodes_are_bounded(name: str) -> None:
    """A node's name has 1 to 200 characters."""

    def declare() -> None:
        @saga
        def s() -> None:
            add.options(node=name).node(1)

    (mistake,) = mistakes_in(declare)
    assert "is no name of a node: 1 to 200 characters" in mistake


def test_what_core_finds_names_the_saga() -> None:
    """Core's texts name nodes; the saga is put in front."""
    mistakes = Mistakes("s")
    mistakes.add_all_of(DagError("s", ['node "x": it is bad', "its edges form a cycle"]))
    assert mistakes.error().mistakes == (
        'saga "s", node "x": it is bad',
        'saga "s": its edges form a cycle',
    )


def test_mistakes_of_many_sagas_can_be_collected() -> None:
    """While they are collected declaring goes on; the saga raises when its DAG is asked for."""
    with collecting_mistakes() as found:

        @saga
        def first() -> None: ...

        @saga
        def good() -> int:
            return add.node(1)

        @saga
        def second() -> int:
            first.node()
            return add.node(1)

    assert [error.saga_name for error in found] == ["first", "second"]
    assert found[1].mistakes[0].startswith('saga "second": subsaga: saga "first": it has no nodes')
    assert good.dag.name == "good"
    for broken in (first, second):
        with pytest.raises(DagError):
            _ = broken.dag
        with pytest.raises(DagError):
            broken.dag_for(None)
    with pytest.raises(DagError):
        saga(nothing)


def test_a_text_after_which_a_node_comes_is_one_mistake() -> None:
    """Not one for each of its letters; nor is a number an error of Python's own."""
    loose: Any = add
    for given in ("foo", 3):

        def declare(given: Any = given) -> None:
            @saga
            def s() -> None:
                loose.options(after=given).node(1)

        assert mistakes_in(declare) == (
            f'saga "s": after= takes a list of references to nodes, not {given!r}',
        )


def test_options_given_as_inputs_are_shown_their_place() -> None:
    """They are no misspelt inputs, whatever else is missing."""
    loose: Any = add

    def declare() -> None:
        @saga
        def s(one: int) -> None:
            loose.node(after=[one])

    in_add = 'saga "s", node "add": action "add"'
    said = 'has no input "after"; the options of a node come first: .options(after=...).node(...)'
    assert mistakes_in(declare) == (
        f"{in_add} {said}",
        f'{in_add} is not given "one"; it takes one, two',
    )


def test_counts_of_inputs_are_sentences() -> None:
    """One input is no inputs, and at most 0 is none."""
    loose: Any = careless

    def declare() -> None:
        @saga
        def s() -> None:
            loose.node(1)

    assert mistakes_in(declare)[1].endswith(
        "is given 1 input by position, and none can be; it takes none"
    )


def test_params_that_do_not_fit_name_the_saga_and_its_parameter() -> None:
    """And say so if none were given at all."""

    @saga
    def s(days: int) -> int:
        return add.node(days)

    loose: Any = s
    said = 'params of saga "s" ("days"): '
    why = "not of type int: Input should be a valid integer"
    with pytest.raises(ValueNotStorable) as caught:
        loose.encode_params([])
    assert str(caught.value) == said + why
    with pytest.raises(ValueNotStorable) as caught:
        loose.encode_params(None)
    assert str(caught.value) == f"{said}none are given; {why}"
