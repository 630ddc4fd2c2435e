"""What the engine needs from the outside: protocols only, no code that runs."""
