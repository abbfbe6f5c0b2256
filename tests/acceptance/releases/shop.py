"""A release whose parameters are judged by what its source does not tell: the environment of its process.

`SHOP` is the largest amount that it takes, or the error that its validator raises, or `old`: a release before.
"""

import builtins
import os
import time
from types import FunctionType
from typing import Annotated, Any

from pydantic import AfterValidator

from background.jobs.pipeline import Params, Pipeline, StepContext

SHOP = os.environ.get("SHOP", "100")


def judge(amount: int) -> int:
    """The amount, if it is taken."""
    if not SHOP.isdecimal():
        raise getattr(builtins, SHOP)("no luck")
    if amount > int(SHOP):
        raise ValueError(f"more than {SHOP}")
    return amount


class Base(Params):
    """What the source of a class derived from it does not show."""

    amount: Annotated[int, AfterValidator(judge)] = 0
    seconds: float = 0


class Order(Base):
    """Today's parameters."""


class Payment(Params):
    """Parameters that had an `item` with a price in euros."""

    cents: int


def in_cents(params: dict[str, Any]) -> dict[str, Any]:
    """An upgrade that works in what it is given."""
    params["item"]["price"] *= 100
    return {"cents": params["item"]["price"]}


class Item(Params):
    """What is paid for."""

    price: int


class OldPayment(Params):
    """The parameters of the release before."""

    item: Item


order = Pipeline("order", Order)
payment = Pipeline("payment", OldPayment) if SHOP == "old" else Pipeline("payment", Payment, upgrade=in_cents)


@order.step
def take(context: StepContext, params: Order) -> None:
    """Wait."""
    time.sleep(params.seconds)


@order.step
def send(context: StepContext, params: Order) -> int:
    """The amount."""
    return params.amount


def charge(context: StepContext, params: Any) -> int:
    """The amount in cents, of parameters that are spoilt then."""
    cents: int = params.cents
    params.cents = 0
    return cents


for name in ("first", "second", "third"):
    payment.step(FunctionType(charge.__code__, globals(), name))
