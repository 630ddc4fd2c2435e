"""The engine: drives sagas with asyncio over a store. Decides nothing that the core can."""
