"""What the errors of databases mean: an outage, or a rejection of a single operation."""

from __future__ import annotations

from typing import Any

from sqlalchemy import exc

from ..errors import StoreUnavailable

READ_ONLY = "read-only"
LOCK_TIMEOUT = "lock timeout"
STATEMENT_TIMEOUT = "statement timeout"
DEADLOCK = "deadlock"
SERIALIZATION = "serialization failure"
PERMISSION = "permission denied"
CONNECTION_LIMIT = "connection limit"
OUT_OF_MEMORY = "out of memory"
DISK_FULL = "disk full"
POOLER = "PgBouncer needs ?prepare_threshold=none in JWT_STORAGE_URI"

_CONFLICTS = {DEADLOCK, SERIALIZATION}

# By SQLSTATE. The classes 08 (connection exception) and 57P (the server shuts down) are outages.
_POSTGRESQL = {
    "25006": READ_ONLY, "55P03": LOCK_TIMEOUT, "57014": STATEMENT_TIMEOUT, "40P01": DEADLOCK,
    "40001": SERIALIZATION, "42501": PERMISSION, "53300": CONNECTION_LIMIT,
    "53200": OUT_OF_MEMORY, "53100": DISK_FULL, "28000": PERMISSION, "28P01": PERMISSION,
    "26000": POOLER, "42P05": POOLER,
}  # fmt: skip
# An error of a connection attempt has no SQLSTATE in libpq, only its message.
_POSTGRESQL_MESSAGES = {
    "the database system is": "",  # starting up, shutting down, in recovery mode
    "terminating connection": "",
    "too many": CONNECTION_LIMIT,
    "connection slots": CONNECTION_LIMIT,
    "no more connections": CONNECTION_LIMIT,
    "unsupported startup parameter": POOLER,
    "FATAL:": PERMISSION,
}

_MYSQL = {
    1290: READ_ONLY, 1792: READ_ONLY, 1836: READ_ONLY,
    1205: LOCK_TIMEOUT, 1969: STATEMENT_TIMEOUT, 3024: STATEMENT_TIMEOUT, 1317: STATEMENT_TIMEOUT,
    1213: DEADLOCK, 1020: SERIALIZATION,
    1044: PERMISSION, 1045: PERMISSION, 1130: PERMISSION, 1142: PERMISSION, 1143: PERMISSION,
    1227: PERMISSION, 1698: PERMISSION,
    1040: CONNECTION_LIMIT, 1203: CONNECTION_LIMIT, 1226: CONNECTION_LIMIT,
    1037: OUT_OF_MEMORY, 1038: OUT_OF_MEMORY, 1041: OUT_OF_MEMORY,
    1021: DISK_FULL, 1114: DISK_FULL,
    # The server shuts down, or has ended the connection.
    0: "", 1053: "", 1080: "", 1152: "", 1158: "", 1159: "", 1160: "", 1161: "", 1184: "",
    1927: "", 4031: "",
}  # fmt: skip

_SQLITE = {
    "locked": LOCK_TIMEOUT, "readonly": READ_ONLY, "read-only": READ_ONLY, "full": DISK_FULL,
    "out of memory": OUT_OF_MEMORY,
}  # fmt: skip

# Text that the character set of the database or the size of a column can't hold.
_MYSQL_TEXT = {1267, 1300, 1366, 1406, 3988}


def store_unavailable(error: Exception, backend: str) -> StoreUnavailable:
    """Return the error for a driver's or SQLAlchemy's *error*.

    It has a reason if the server has responded, and none if the server is lost, refuses connections
    or doesn't respond.
    """
    reason = find_reason(error, backend)
    return StoreUnavailable.because(
        error,
        lost_connection=isinstance(error, exc.DBAPIError) and error.connection_invalidated,
        is_conflict=reason in _CONFLICTS,
        reason=reason,
    )


def find_reason(error: Exception, backend: str) -> str:
    """Return why the server has rejected an operation, or "" if it can't be reached."""
    if isinstance(error, exc.TimeoutError):
        return "no free connection"
    cause: Any = getattr(error, "orig", None) or error
    if backend == "sqlite":
        # A file can be reached, or not at once.
        text = str(cause)
        return next((r for word, r in _SQLITE.items() if word in text), text)
    if backend == "postgresql":
        return _find_postgresql_reason(cause)
    number = cause.args[0] if cause.args else None
    if not isinstance(number, int):
        return type(cause).__name__
    is_of_client = 2000 <= number < 3000
    return _MYSQL.get(number, "" if is_of_client else f"error {number}")


def _find_postgresql_reason(cause: Any) -> str:
    state = getattr(cause, "sqlstate", None)
    if state is None:
        text = str(cause)
        return next((r for word, r in _POSTGRESQL_MESSAGES.items() if word in text), "")
    is_outage = state.startswith(("08", "57P"))
    return _POSTGRESQL.get(state, "" if is_outage else f"SQLSTATE {state}")


def is_from_demoted_server(error: Any, backend: str) -> bool:
    """Return whether the server has become read-only, so that another one may take writes."""
    return find_reason(error, backend) == READ_ONLY


def is_about_text(error: Exception, backend: str) -> bool:
    """Return whether the database can't hold a text."""
    cause: Any = getattr(error, "orig", None) or error
    if isinstance(cause, UnicodeError):
        return True
    if backend == "postgresql":
        return (getattr(cause, "sqlstate", None) or "").startswith("22")
    number = cause.args[0] if cause.args else None
    return backend in ("mysql", "mariadb") and number in _MYSQL_TEXT
