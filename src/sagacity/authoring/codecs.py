"""How values of users' types become stored JSON and come back as they were.

A codec is pydantic's adapter of a type, used in one way everywhere:

* stored under the names of the fields, never their aliases: aliases may differ
  between reading and writing, and what was stored must be readable;
* without computed fields, which could not be read back (`round_trip`);
* a value that is not of its type is an error, not a warning, and so is one that
  could not be read back;
* read as JSON, so that strict models take what JSON can say (a date is a string).

Values from people (constants, params) may use either names or aliases.

Here and in the whole package pydantic's names are looked up in `pydantic` when they
are used: it loads itself only then, and who declares nothing does not wait for it.
"""

from __future__ import annotations

import re
import types
import typing
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import pydantic
import pydantic_core

from sagacity.authoring.annotations import Names, in_words, is_unknown
from sagacity.authoring.losing import check_members, check_untyped, may_lose_members
from sagacity.authoring.secret_types import (
    STORING,
    keeps_secrets,
    stored_if_secret,
    would_be_masked,
)
from sagacity.authoring.typed_dicts import adopt_typed_dicts
from sagacity.core.masking import may_hold_secrets, revive_inside, revived
from sagacity.core.values import MOST_VALUE_BYTES, NULL, Json, encode
from sagacity.errors import ValueNotStorable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core.core_schema import CoreConfig

_JSON_SCALARS: Final = (str, int, bool, float)
_JSON_CONTAINERS: Final[tuple[tuple[Any, type], ...]] = (
    (dict, dict),
    (dict[str, Any], dict),
    (list, list),
    (list[Any], list),
)
_INPUT_VALUE: Final = re.compile("input_value=.*, (?=input_type=)")
# Pydantic writes NaN as null where it knows no type; kept as it is, `encode` refuses it.
_CONFIG: Final[CoreConfig] = {"ser_json_inf_nan": "constants"}


@dataclass(frozen=True, slots=True, eq=False)
class Codec:
    """The way of one type to JSON and back."""

    encode: Callable[[Any], Json]
    """Raises ValueNotStorable: not a value of the type, or not one that can be stored.

    Of a size that some coordinator may allow; who stores it looks at its own limit.
    """
    decode: Callable[[Json], Any]
    """Raises pydantic's `ValidationError`: stored by something of another type."""
    read: Callable[[bytes | str], Any]
    """Reads JSON of people, with names or aliases. Raises ValueNotStorable: it is not one."""


class NoCodecError(TypeError):
    """The type has no JSON form that pydantic knows."""


def codec_for(type_: Any, names: Names | None = None) -> Codec:
    """Return the codec of `type_`; `names` are those that its string annotations may use.

    Raises:
        NoCodecError: it has none.
    """
    try:
        return _known_codec(type_)
    except NoCodecError:
        if not names:
            raise
    except TypeError:  # not hashable: metadata of `Annotated` can be anything
        pass
    return _make_codec(type_, names)


@lru_cache(maxsize=4096)
def _known_codec(type_: Any) -> Codec:
    return _make_codec(type_, None)


def _make_codec(type_: Any, names: Names | None) -> Codec:
    if type_ in (None, types.NoneType):
        adapter = _built(None, None)
        return Codec(_encode_none, _decoder(adapter), _reader(adapter, type_))
    if is_unknown(type_):
        return ANY
    try:
        adapter = _adapter(type_, names)
    except (
        pydantic.PydanticUserError,
        pydantic.PydanticUndefinedAnnotation,
        NameError,
        TypeError,
    ) as error:
        reason = str(error).partition("\n")[0]
        raise NoCodecError(f"{in_words(type_)} has no JSON form: {reason}") from error
    if would_be_masked(adapter.core_schema):
        raise NoCodecError(
            f"{in_words(type_)} has a secret of pydantic's own, which writes asterisks instead of "
            "its value; use sagacity.Secret[...]"
        )
    typed, decode_typed = _encoder(adapter, type_), _decoder(adapter)
    read = _reader(adapter, type_)
    for scalar in _JSON_SCALARS:
        if type_ is scalar:
            return Codec(_scalar_first(scalar, typed), decode_typed, read)
    for container, kind in _JSON_CONTAINERS:
        if type_ == container:
            return Codec(_json_first(kind, typed), _reviving(decode_typed), read)
    return Codec(typed, decode_typed, read)


def _adapter(type_: Any, names: Names | None) -> pydantic.TypeAdapter[Any]:
    try:
        return _built(type_, names)
    except pydantic.PydanticUserError as error:
        if error.code != "typed-dict-version" or not adopt_typed_dicts(type_, names or {}):
            raise
    return _built(type_, names)


def _built(type_: Any, names: Names | None) -> pydantic.TypeAdapter[Any]:
    adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(type_)
    # Names that could not be resolved are no error before the adapter is used, unless it
    # is built here and now.
    adapter.rebuild(raise_errors=True, _types_namespace=names)
    return adapter


def _encoder(adapter: pydantic.TypeAdapter[Any], type_: Any) -> Callable[[Any], Json]:
    validator = _validator(adapter)
    validate = validator.validate_python
    dump = pydantic_core.SchemaSerializer(adapter.core_schema, _CONFIG).to_python
    read = validator.validate_json
    hide = validator is not adapter.validator
    write = _writer(adapter) if may_lose_members(adapter.core_schema) else None
    is_mapping = type_ is dict or typing.get_origin(type_) is dict

    def encode_typed(value: Any) -> Json:
        try:
            valid = validate(value, by_alias=True, by_name=True)
            plain = dump(
                valid,
                mode="json",
                by_alias=False,
                round_trip=True,
                warnings="error",
                context=STORING,
                fallback=stored_if_secret,
            )
            written = None if write is None else write(valid)
        except ValueError as error:  # pydantic's own, text that is no UTF-8, a value in itself
            reason = f"{_misfit(type_)}: {told(error)}"
            raise ValueNotStorable(reason) from (None if hide else error)
        if is_mapping and len(valid) != len(value):
            raise ValueNotStorable(f"no {in_words(type_)}: two keys become the same one")
        text = encode(plain, limit_bytes=MOST_VALUE_BYTES)
        if written is not None:
            check_members(text, written)
        try:
            # Instances are taken as they are, whatever is in them: what only shows when it
            # is read would be found after the effect, by an undo that needs it.
            read(text, by_alias=False, by_name=True)
        except pydantic.ValidationError as error:
            raise ValueNotStorable(
                f"{_misfit(type_)}, for it could not be read back: {told(error)}"
            ) from error
        return text

    return encode_typed


def _writer(adapter: pydantic.TypeAdapter[Any]) -> Callable[[Any], bytes]:
    """Return what writes all members, those of the same name too; a dict has lost them."""
    dump = pydantic_core.SchemaSerializer(adapter.core_schema, _CONFIG).to_json

    def write(valid: Any) -> bytes:
        return dump(
            valid,
            by_alias=False,
            round_trip=True,
            context=STORING,
            fallback=stored_if_secret,
        )

    return write


def _validator(adapter: pydantic.TypeAdapter[Any]) -> Any:
    """Return what checks values; where there are secrets, one whose errors do not show them."""
    if not keeps_secrets(adapter.core_schema):
        return adapter.validator
    return pydantic_core.SchemaValidator(adapter.core_schema, {"hide_input_in_errors": True})


def _misfit(type_: Any) -> str:
    return "not storable" if is_unknown(type_) else f"not of type {in_words(type_)}"


def told(error: Exception) -> str:
    """Return what pydantic found, on one line, without values and addresses of its manual."""
    if not isinstance(error, pydantic.ValidationError):
        return _INPUT_VALUE.sub("", " ".join(str(error).split()))
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        ": ".join(filter(None, (".".join(map(str, each["loc"])), each["msg"]))) for each in found
    )


def _decoder(adapter: pydantic.TypeAdapter[Any]) -> Callable[[Json], Any]:
    validate = _validator(adapter).validate_json

    def decode_typed(text: Json) -> Any:
        return validate(text, by_alias=False, by_name=True)

    return decode_typed


def _reader(adapter: pydantic.TypeAdapter[Any], type_: Any) -> Callable[[bytes | str], Any]:
    validate = _validator(adapter).validate_json

    def read(text: bytes | str) -> Any:
        try:
            return validate(text, by_alias=True, by_name=True)
        except ValueError as error:
            raise ValueNotStorable(f"{_misfit(type_)}: {told(error)}") from error

    return read


def _encode_none(value: Any) -> Json:
    if value is not None:
        raise ValueNotStorable("not None")
    return NULL


def _reviving(typed: Callable[[Json], Any]) -> Callable[[Json], Any]:
    def decode_container(text: Json) -> Any:
        value = typed(text)
        return revive_inside(value) if may_hold_secrets(text) else value

    return decode_container


def _json_first(kind: type, typed: Callable[[Any], Json]) -> Callable[[Any], Json]:
    """Return an encoder for what is mostly JSON already, and then need not pass pydantic."""

    def encode_json_first(value: Any) -> Json:
        if type(value) is kind:
            try:
                return encode(value, limit_bytes=MOST_VALUE_BYTES)
            except ValueNotStorable:
                # Perhaps a date is in it; pydantic decides, and `encode` has the last word.
                check_untyped(value)
        return typed(value)

    return encode_json_first


def _scalar_first(kind: type, typed: Callable[[Any], Json]) -> Callable[[Any], Json]:
    def encode_scalar_first(value: Any) -> Json:
        if type(value) is kind:
            return encode(value, limit_bytes=MOST_VALUE_BYTES)
        return typed(value)

    return encode_scalar_first


@lru_cache(maxsize=1)
def _typed_any() -> Codec:
    """Return pydantic's way with `Any`; made when it is needed, which often is never."""
    adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(Any)
    return Codec(_encoder(adapter, Any), revived, _reader(adapter, Any))


def _encode_any(value: Any) -> Json:
    try:
        return encode(value, limit_bytes=MOST_VALUE_BYTES)
    except ValueNotStorable:
        check_untyped(value)
    return _typed_any().encode(value)


def encode_inferred(value: Any) -> Json:
    """Write a value whose type is stated only where it is read: a set becomes an array.

    Raises ValueNotStorable: it has no JSON form.
    """
    try:
        return encode(value, limit_bytes=MOST_VALUE_BYTES)
    except ValueNotStorable:
        return _typed_any().encode(value)


def _read_any(text: bytes | str) -> Any:
    return _typed_any().read(text)


ANY: Final = Codec(_encode_any, revived, _read_any)
"""JSON of no stated type. Other values are taken and come back as JSON: a date as its text."""
