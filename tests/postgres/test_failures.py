"""Each failure of the server has one answer."""

from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from sagacity.errors import StoreCorrupt, StoreError, StoreFull
from sagacity.stores.postgres.failures import Answer, answer_to, store_error


@pytest.mark.parametrize(
    ("code", "answer", "kind"),
    [
        ("40001", Answer.AGAIN, StoreError),  # serialization_failure
        ("40P01", Answer.AGAIN, StoreError),  # deadlock_detected
        ("55P03", Answer.AGAIN, StoreError),  # lock_not_available
        ("40003", Answer.RECONNECT, StoreError),  # statement_completion_unknown
        ("08000", Answer.RECONNECT, StoreError),  # connection_exception
        ("08006", Answer.RECONNECT, StoreError),  # connection_failure
        ("08P01", Answer.RECONNECT, StoreError),  # protocol_violation
        ("57P01", Answer.RECONNECT, StoreError),  # admin_shutdown
        ("57P02", Answer.RECONNECT, StoreError),  # crash_shutdown
        ("57P03", Answer.RECONNECT, StoreError),  # cannot_connect_now
        ("57P05", Answer.RECONNECT, StoreError),  # idle_session_timeout
        ("25P03", Answer.RECONNECT, StoreError),  # idle_in_transaction_session_timeout
        ("25006", Answer.RECONNECT, StoreError),  # read_only_sql_transaction
        ("26000", Answer.RECONNECT, StoreError),  # invalid_sql_statement_name
        ("58030", Answer.RECONNECT, StoreError),  # io_error
        ("53100", Answer.FULL, StoreFull),  # disk_full
        ("53200", Answer.WAIT, StoreError),  # out_of_memory
        ("53300", Answer.WAIT, StoreError),  # too_many_connections
        ("53400", Answer.WAIT, StoreError),  # configuration_limit_exceeded
        ("57014", Answer.WAIT, StoreError),  # query_canceled
        ("28P01", Answer.WAIT, StoreError),  # invalid_password
        ("3D000", Answer.WAIT, StoreError),  # invalid_catalog_name
        ("3F000", Answer.WAIT, StoreError),  # invalid_schema_name
        ("42501", Answer.WAIT, StoreError),  # insufficient_privilege
        ("42P01", Answer.WAIT, StoreError),  # undefined_table
        ("XX001", Answer.CORRUPT, StoreCorrupt),  # data_corrupted
        ("XX002", Answer.CORRUPT, StoreCorrupt),  # index_corrupted
        ("22021", Answer.VALUE, ValueError),  # character_not_in_repertoire
        ("22003", Answer.VALUE, ValueError),  # numeric_value_out_of_range
        ("23514", Answer.REFUSE, StoreError),  # check_violation
        ("42601", Answer.REFUSE, StoreError),  # syntax_error
    ],
)
def test_each_code_of_the_server_has_its_answer(
    code: str, answer: Answer, kind: type[Exception]
) -> None:
    """What the store does, and what it raises if that does not help."""
    make: Any = getattr(asyncpg.PostgresError, "new")  # noqa: B009 - it has no types
    error: Exception = make({"C": code, "M": "what it said", "D": "what users store"})
    assert answer_to(error) is answer
    raised = store_error(error, "postgresql://host")
    assert type(raised) is kind
    assert "what it said" in str(raised)
    assert "what users store" not in str(raised)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("reset"),
        ConnectionRefusedError("refused"),
        TimeoutError(),
        EOFError(),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.exceptions.TargetServerAttributeNotMatched("none"),
    ],
)
def test_a_connection_that_is_of_no_use_is_replaced(error: Exception) -> None:
    """And the text says that nobody knows what became of the call."""
    assert answer_to(error) is Answer.RECONNECT
    assert "unknown whether this was stored" in str(store_error(error, "here", unknown=True))
