"""What all tests share: how Hypothesis searches, and a PostgreSQL server for those that ask."""

from hypothesis import settings

from tests.postgres.fixtures import (
    postgres_server,
    postgres_store_url,
    postgres_url,
    shared_database,
)

__all__ = ["postgres_server", "postgres_store_url", "postgres_url", "shared_database"]

# No deadline: a slow machine is not a failing property. Not derandomised, not even in CI: each run
# looks somewhere new, and the printed blob (@reproduce_failure) brings a find back.
settings.register_profile("sagacity", deadline=None, derandomize=False, print_blob=True)
settings.register_profile("thorough", settings.get_profile("sagacity"), max_examples=2000)
settings.load_profile("sagacity")
