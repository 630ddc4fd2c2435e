"""Steno's own format: read it, write it, go on with it, print its texts."""

from sagacity.errors import NotSteno
from sagacity.steno.dumping import dump
from sagacity.steno.loading import StenoSaga, load
from sagacity.steno.texts import dot, log_text, status_text

__all__ = ["NotSteno", "StenoSaga", "dot", "dump", "load", "log_text", "status_text"]
