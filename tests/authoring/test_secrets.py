"""`Secret[T]` as the type of fields, parameters and results."""

from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple, TypedDict

import pydantic
import pytest

from sagacity import Context, DagBuilder, DagError, Node, Secret, TraceError, action, saga
from sagacity.authoring.codecs import ANY, NoCodecError, codec_for
from sagacity.errors import ValueNotStorable


@dataclass(frozen=True)
class Login:
    password: Secret[str]
    until: Secret[date] | None = None


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    until: Secret[date]
    login: Secret[Login]


class Keys(TypedDict):
    keys: Secret[list[int]]


class Pair(NamedTuple):
    one: Secret[bytes]
    two: Secret[Secret[int]]


LOGIN = Login(Secret("hunter2"), Secret(date(2026, 1, 2)))


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (Secret[str], Secret("hunter2")),
        (Secret[Any], Secret([1])),
        (Secret, Secret("hunter2")),
        (Login, LOGIN),
        (Strict, Strict(until=Secret(date(2026, 1, 2)), login=Secret(LOGIN))),
        (Keys, Keys(keys=Secret([1, 2]))),
        (Pair, Pair(Secret(b"a"), Secret(Secret(1)))),
        (list[Secret[str] | None], [Secret("a"), None]),
        (dict[str, Any], {"a": Secret("hunter2"), "b": [Secret(1)]}),
        (Any, [Secret("hunter2")]),
        (Secret[dict[str, int]], Secret({"$secret": 1})),
    ],
)
def test_a_secret_comes_back_as_it_was(type_: Any, value: Any) -> None:
    """In every kind of record, and where no type says that there is one."""
    codec = codec_for(type_)
    assert codec.decode(codec.encode(value)) == value


def test_people_give_the_plain_value() -> None:
    """And a saga whose params were none when it was created goes on with code for which they are."""
    codec = codec_for(Login)
    assert codec.read('{"password": "hunter2", "until": "2026-01-02"}') == LOGIN
    assert codec.decode(b'{"password":"hunter2","until":{"$secret":"2026-01-02"}}') == LOGIN


@pytest.mark.parametrize(
    ("type_", "text"),
    [(Login, b'{"password":["hunter2"]}'), (Secret[int], b'{"$secret":"hunter2"}')],
)
def test_no_error_shows_what_does_not_fit(type_: Any, text: bytes) -> None:
    """It says where and what is wanted."""
    with pytest.raises(pydantic.ValidationError) as caught:
        codec_for(type_).decode(text)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ValueNotStorable) as refused:
        codec_for(type_).read(text)
    assert "hunter2" not in f"{refused.value} {refused.value.__cause__}"


def test_no_error_shows_what_cannot_be_stored() -> None:
    """Nor does its cause, which would be in the traceback."""
    wrong: Any = Login(Secret(["hunter2"]))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueNotStorable, match="Expected `str`") as caught:
        codec_for(Login).encode(wrong)
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__!r}"


def test_what_a_model_dumps_by_itself_is_masked() -> None:
    """Only the codec of the log writes the value."""
    model = Strict(until=Secret(date(2026, 1, 2)), login=Secret(LOGIN))
    assert model.model_dump_json() == '{"until":"***","login":"***"}'
    assert model.model_dump() == {"until": model.until, "login": model.login}


class Masking(pydantic.BaseModel):
    password: pydantic.SecretStr


@pytest.mark.parametrize(
    "type_", [pydantic.SecretStr, pydantic.SecretBytes, Masking, list[pydantic.Secret[int]]]
)
def test_secrets_of_pydantic_are_refused(type_: Any) -> None:
    """They write asterisks, and an undo would log in with these."""
    with pytest.raises(NoCodecError, match=r"use sagacity.Secret\[...\]"):
        codec_for(type_)


class Revealing(Masking):
    @pydantic.field_serializer("password")
    def revealed(self, value: pydantic.SecretStr) -> str:
        return value.get_secret_value()


def test_a_secret_of_pydantic_with_a_serializer_is_taken() -> None:
    """Its author says how it is stored."""
    assert codec_for(Revealing).encode(Revealing(password=pydantic.SecretStr("a"))) == (
        b'{"password":"a"}'
    )


def test_unknown_objects_are_still_refused() -> None:
    """Secrets are the one class that needs no type."""
    with pytest.raises(ValueNotStorable, match="object has no JSON form"):
        ANY.encode([Secret("a"), date(2026, 1, 2), object()])


@action(read_only=True)
async def log_in(ctx: Context, login: Login) -> Secret[str]:
    return Secret(f"{ctx.node_name} {login.password.reveal()}")


@action(read_only=True)
async def use(ctx: Context, token: Secret[str]) -> str:
    return f"{ctx.node_name} {token}"


@action(read_only=True)
async def plain(ctx: Context, token: str) -> str:
    return f"{ctx.node_name} {token}"


def test_a_secret_is_handed_on_whole() -> None:
    """From a field of the params, or from an output."""

    @saga
    def good(login: Login) -> str:
        use.node(login.password)
        return use.options(node="again").node(log_in.node(login))

    assert len(good.dag.nodes) == 3


def test_a_secret_is_not_given_where_a_plain_value_is_wanted() -> None:
    """It is revealed in an action, where it can be seen that it is."""
    with pytest.raises(DagError, match=r"is Secret\[str\], not str"):

        @saga
        def bad(login: Login) -> str:
            return plain.node(login.password)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_a_plain_value_may_become_a_secret() -> None:
    """Nothing is shown that was hidden."""

    @saga
    def good(token: str) -> str:
        return use.node(token)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

    assert good.dag.nodes


def test_nothing_inside_of_a_secret_can_be_referred_to() -> None:
    """Neither its fields nor its value."""
    with pytest.raises((DagError, TraceError), match="a secret is handed on whole"):

        @saga
        def bad(login: Login) -> str:
            return plain.node(login.password.reveal())


def test_a_secret_cannot_be_a_constant_of_a_saga() -> None:
    """It would be in the definition, which all its sagas share, and which nothing masks."""
    with pytest.raises(DagError, match='node "use" is given a Secret, which would be in the def'):

        @saga
        def bad() -> str:
            return use.node(Secret("hunter2"))


def test_the_constants_of_a_dynamic_saga_may_be_secrets() -> None:
    """They are kept with the saga, as its params are."""

    @saga(dynamic=True)
    def good(token: Secret[str]) -> str:
        return use.node(Secret(token.reveal().upper()))

    assert good.dag_for(Secret("a")).constants == (b'{"$secret":"A"}',)
    with pytest.raises(DagError, match="would be in the definition"):

        @saga
        def outer() -> str:
            return good.node(Secret("a"))


def test_constants_of_the_lower_layer_are_kept_with_the_saga() -> None:
    """Its sagas are dynamic."""
    builder = DagBuilder("lower")
    builder.append(Node.constant("token", Secret("a")))
    assert builder.build().constants == (b'{"$secret":"a"}',)
