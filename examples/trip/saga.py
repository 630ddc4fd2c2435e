"""The trip: pay, then book hotel, flight and car at the same time, then sum up.

Nothing here decides what a failure means for the others; an action says which of the
three outcomes it met, and each undo takes back what there is. Cancelling is tried a
few times, and then a person is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

from examples.trip.client import Receipt, TripClient
from sagacity import Context, Retry, action, saga


@dataclass(frozen=True, slots=True)
class Trip:
    """What the customer wants: the params. Amounts are in cents."""

    name: str
    hotel: int
    flight: int
    car: int


@dataclass(frozen=True, slots=True)
class Payment(Receipt):
    """A charge on the customer's card."""


@dataclass(frozen=True, slots=True)
class Hotel(Receipt):
    """A room."""


@dataclass(frozen=True, slots=True)
class Flight(Receipt):
    """A seat."""


@dataclass(frozen=True, slots=True)
class Car(Receipt):
    """A rented car."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What the customer is told."""

    trip: str
    charged: int
    bookings: tuple[str, ...]


CANCEL = Retry(attempts=6, backoff=0.05, max_delay=0.8)

# Unknown outcomes reach the undo, as None: the service finds the charge by the key, or
# keeps a tombstone against one that is still on its way.


@action(undo_retry=CANCEL)
async def charge_card(ctx: Context[TripClient], trip: Trip) -> Payment:
    amount = trip.hotel + trip.flight + trip.car
    return await ctx.deps.book(Payment, ctx, "payment", trip.name, amount)


@charge_card.undo
async def refund_card(ctx: Context[TripClient], payment: Payment | None, trip: Trip) -> None:
    await ctx.deps.cancel(ctx, "payment", trip.name)


# Atomic: it finds out by itself, so an exception means that no room is held, and the
# undo always has a booking to cancel.


@action(atomic=True, undo_retry=CANCEL)
async def book_hotel(ctx: Context[TripClient], trip: Trip) -> Hotel:
    return await ctx.deps.book_surely(Hotel, ctx, "hotel", trip.name, trip.hotel)


@book_hotel.undo
async def cancel_hotel(ctx: Context[TripClient], hotel: Hotel) -> None:
    await ctx.deps.cancel(ctx, "hotel", hotel.trip)


@action(undo_retry=CANCEL)
async def book_flight(ctx: Context[TripClient], trip: Trip) -> Flight:
    return await ctx.deps.book(Flight, ctx, "flight", trip.name, trip.flight)


@book_flight.undo
async def cancel_flight(ctx: Context[TripClient], flight: Flight | None, trip: Trip) -> None:
    await ctx.deps.cancel(ctx, "flight", trip.name)


@action(undo_retry=CANCEL)
async def book_car(ctx: Context[TripClient], trip: Trip) -> Car:
    return await ctx.deps.book(Car, ctx, "car", trip.name, trip.car)


@book_car.undo
async def cancel_car(ctx: Context[TripClient], car: Car | None, trip: Trip) -> None:
    await ctx.deps.cancel(ctx, "car", trip.name)


@action(read_only=True)
async def summarize(
    ctx: Context[TripClient], trip: str, charged: int, bookings: tuple[str, ...]
) -> Summary:
    return Summary(trip, charged, bookings)


@saga
def book_trip(trip: Trip) -> Summary:
    """Book all of it, or hold nothing."""
    payment = charge_card.node(trip)
    hotel = book_hotel.options(after=[payment]).node(trip)
    flight = book_flight.options(after=[payment]).node(trip)
    car = book_car.options(after=[payment]).node(trip)
    return summarize.node(trip.name, payment.amount, (hotel.id, flight.id, car.id))
