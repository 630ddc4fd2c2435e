"""`Secret`: a value that nobody is shown, and the form in which it is stored.

A secret is stored as an object with one member, `{"$secret": value}`. Whatever has this
form is a secret, whoever wrote it: so it is masked everywhere without knowing any type.
"""

from __future__ import annotations

from typing import Any, Final, Generic, NoReturn, TypeVar, cast, final

T_co = TypeVar("T_co", covariant=True)

MARK: Final = "$secret"
"""The one member of the object that a secret is stored as."""
MASK: Final = "***"
"""What people see instead."""


@final
class Secret(Generic[T_co]):
    """A value that is stored with the saga and never shown.

    A type of params, fields and results: `password: Secret[str]`. Its text is `***`. Two
    are equal if what they hold is, and it can be hashed if that can.
    """

    __slots__ = ("__value",)

    def __init__(self, value: T_co) -> None:
        """Hold `value`."""
        object.__setattr__(self, "_Secret__value", value)

    def reveal(self) -> T_co:
        """Return the value."""
        return cast("T_co", _read(self))

    def __repr__(self) -> str:
        """Show that it is one, and no more."""
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        """Show the mask."""
        return MASK

    def __format__(self, spec: str) -> str:
        """Show the mask, aligned as asked."""
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        """Compare what both hold; a secret never equals a plain value."""
        return bool(_read(self) == _read(other)) if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        """Hash what it holds."""
        return hash((Secret, _read(self)))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse: a secret does not change."""
        raise AttributeError("a Secret does not change")

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse: a secret does not change."""
        raise AttributeError("a Secret does not change")

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be copied, and handed to a process of ours; the log holds no such form."""
        return Secret, (_read(self),)


_read: Final[Any] = Secret.__dict__["_Secret__value"].__get__
