"""Adapters of the store port; they know ports and core, never the engine or each other."""
