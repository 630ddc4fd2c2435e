"""What a user may write: mypy and pyright, strict and without a plugin, find nothing wrong."""

from dataclasses import dataclass
from typing import Any, assert_type

from sagacity import Sec, Secret
from sagacity.authoring import Context, Saga, action, make_context, saga


class Deps:
    """Connections and the like."""

    url: str = ""


@dataclass
class Trip:
    who: str
    days: int


@dataclass
class Payment:
    amount: int


@dataclass
class Hotel:
    name: str


@action
async def charge(ctx: Context[Deps], trip: Trip) -> Payment:
    assert_type(ctx.deps, Deps)
    assert_type(ctx.deps.url, str)
    return Payment(trip.days)


@charge.undo
async def refund(ctx: Context[Deps], payment: Payment | None, trip: Trip) -> None: ...


@action(atomic=True, limit=3, label="Book it", version="2")
async def book_hotel(ctx: Context[Deps], trip: Trip, paid: Payment, *, stars: int = 3) -> Hotel:
    return Hotel(trip.who)


@book_hotel.undo
async def cancel_hotel(ctx: Context[Deps], hotel: Hotel) -> None: ...


@action(name="book a car")
def book_car(ctx: Context, trip: Trip, names: list[str]) -> str | None:
    """A plain function, whose result may be None."""
    assert_type(ctx.deps, Any)
    return None


@book_car.undo(unknown=True)
def cancel_car(ctx: Context, car: str | None, trip: Trip, names: list[str]) -> None: ...


@action
def pay_cash(ctx: Context, amount: int) -> Payment:
    return Payment(amount)


@pay_cash.undo
def take_back(ctx: Context, payment: Payment | None) -> None: ...


@action(read_only=True)
async def tell(ctx: Context[Deps]) -> None:
    assert_type(ctx.lookup("charge", Payment), Payment)
    assert_type(ctx.lookup("numbers", list[int]), list[int])
    assert_type(ctx.params(Trip), Trip)
    anything = ctx.lookup("charge")
    assert_type(anything, Any)
    ctx.log.info("told")


@action(no_undo="harmless")
async def summarize(ctx: Context[Deps], hotel: Hotel, notes: dict[str, str | None]) -> int:
    return len(notes)


@saga
def pay(amount: int) -> Payment:
    return pay_cash.node(amount)


@saga(name="pay twice", version="2", siblings="cancel", on_stuck="halt")
def pay_twice() -> int:
    first = pay.node(1)
    second = pay.options(node="second", after=[first]).node(first.amount)
    return second.amount


@saga
def book_trip(trip: Trip) -> int:
    payment = charge.node(trip)
    assert_type(payment, Payment)
    hotel = book_hotel.node(trip, payment, stars=5)
    assert_type(hotel, Hotel)
    told = tell.node()
    car = book_car.options(node="car", after=[hotel, told]).node(trip, [hotel.name, trip.who])
    again = pay_twice.node()
    assert_type(again, int)
    paid = pay.node(payment.amount)
    charge.options(node="more", label="More").node(Trip(trip.who, days=paid.amount))
    return summarize.node(hotel, {"car": car, "name": hotel.name})


@saga(dynamic=True, actions=[charge, pay])
def book_many(trips: list[Trip]) -> list[Payment]:
    return [charge.options(node=f"charge-{number}").node(trip) for number, trip in enumerate(trips)]


assert_type(book_trip, Saga[Trip, int])
assert_type(pay_twice, Saga[None, int])
assert_type(book_many, Saga[list[Trip], list[Payment]])


async def unit_test() -> None:
    """Actions and undos are still the functions."""
    ctx = make_context(deps=Deps())
    payment = await charge(ctx, Trip("ann", 3))
    assert_type(payment, Payment)
    assert_type(pay_cash(ctx, 3), Payment)
    await refund(ctx, None, Trip("ann", 3))
    await refund(ctx, payment, trip=Trip("ann", 3))
    await cancel_hotel(ctx, await book_hotel(ctx, Trip("ann", 3), payment, stars=4))
    cancel_car(ctx, None, Trip("ann", 3), [])
    assert_type(book_many.dag_for([Trip("ann", 3)]).name, str)
    assert book_trip.encode_params(Trip("ann", 3))
    assert_type(book_trip.decode_output(b"1"), int)


async def run_it(sec: Sec) -> None:
    """What is expected of the result does not narrow which saga may be run."""
    assert str(await sec.run(pay_twice, None))
    told: float | str = await sec.run(book_trip, Trip("ann", 3))
    assert told


@dataclass
class Login:
    user: str
    password: Secret[str]


@action(read_only=True)
async def log_in(ctx: Context, login: Login, salt: Secret[bytes]) -> Secret[str]:
    assert_type(login.password.reveal(), str)
    assert_type(salt.reveal(), bytes)
    wider: Secret[object] = login.password
    return Secret(str(wider))


@action(read_only=True)
async def salt(ctx: Context) -> Secret[bytes]:
    return Secret(b"salt")


@saga
def visit(login: Login) -> Secret[str]:
    token = log_in.node(login, salt.node())
    assert_type(token, Secret[str])
    return token


async def visit_it(sec: Sec) -> None:
    """A secret is typed by what it holds."""
    token = await sec.run(visit, Login("ann", Secret("hunter2")))
    assert_type(token.reveal(), str)
