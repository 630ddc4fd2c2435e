"""The place where things meet: the engine, the stores, and what users write sagas with."""

from __future__ import annotations

from sagacity.engine.bulk import Bulk
from sagacity.engine.client import Client
from sagacity.engine.draining import DrainReport
from sagacity.engine.forecasting import LeftNode, Plan, PlannedCall
from sagacity.engine.handle import Handle
from sagacity.engine.holds import Hold
from sagacity.engine.listing import Page
from sagacity.engine.logs import LogObserver
from sagacity.engine.sec import Sec
from sagacity.stores.opening import open_store

__all__ = [
    "Bulk",
    "Client",
    "DrainReport",
    "Handle",
    "Hold",
    "LeftNode",
    "LogObserver",
    "Page",
    "Plan",
    "PlannedCall",
    "Sec",
    "open_store",
]
