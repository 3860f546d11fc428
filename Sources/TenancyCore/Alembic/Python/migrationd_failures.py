"""A worker's errors as the daemon reads them, with PostgreSQL's code for what others say."""

import migrationd_protocol as protocol

SQLITE_STATES = {
    "SQLITE_BUSY": "55P03", "SQLITE_LOCKED": "55P03", "SQLITE_INTERRUPT": "57014",
    "SQLITE_FULL": "53100", "SQLITE_READONLY": "42501"}
MYSQL_DRIVERS = ("pymysql", "MySQLdb", "aiomysql", "asyncmy", "mysql.connector", "mariadb")
MYSQL_STATES = {
    1205: "55P03", 1213: "40P01",  # lock wait timeout, deadlock
    2002: "08001", 2003: "08001",  # nobody answers
    2006: "08006", 2013: "08006", 2055: "08006", 1927: "08006",  # gone, lost, killed
    1040: "53300", 1203: "53300", 1226: "53300",  # too many connections
    1053: "57P01", 1317: "57014", 1969: "57014", 3024: "57014"}


class OtherRows(Exception):
    """The version rows are not those that the daemon has read."""

    def __init__(self, rows):
        super().__init__(f"the version rows are {sorted(rows)}")


def describe(error, statement, direction):
    """What is known of an error that came out of a request; `statement` ran last."""
    import sqlalchemy.exc

    described = {
        "kind": "internal", "message": protocol.describe(error), "sqlstate": None,
        "statement": None, "traceback": protocol.traceback_lines(error)}
    if isinstance(error, OtherRows):
        described.update(kind="other_rows", message=str(error), traceback=[])
    elif isinstance(error, SystemExit):
        described.update(
            kind="env_exit", message=f"the project called {protocol.describe(error)}")
    elif isinstance(error, NotImplementedError) and direction == "downgrade":
        described.update(
            kind="irreversible",
            message=f"the downgrade refuses to run: {protocol.describe(error)}")
    elif isinstance(error, sqlalchemy.exc.DBAPIError):
        original = error.orig
        described.update(
            kind="statement_failed" if error.statement else "connect_failed",
            message=" ".join(str(original).split())[:protocol.RAW_LENGTH],
            sqlstate=sqlstate(original),
            statement=error.statement and error.statement.strip()[:protocol.RAW_LENGTH])
    else:
        described.update(
            kind="env_failed" if statement is None else "statement_failed",
            statement=statement and statement.strip()[:protocol.RAW_LENGTH])
    return described


def sqlstate(error):
    """What each driver calls it. What another database says in its own way, and what decides whether
    the step is tried again, gets PostgreSQL's word for it."""
    cause = getattr(error, "__cause__", None) or error
    name = getattr(cause, "sqlite_errorname", "")
    for beginning, state in SQLITE_STATES.items():
        if name.startswith(beginning):
            return state
    module = type(cause).__module__ or ""
    if any(driver in module for driver in MYSQL_DRIVERS):
        number = next(iter(cause.args), None) if cause.args else None
        if number in MYSQL_STATES:
            return MYSQL_STATES[number]
        if type(cause).__name__ == "InterfaceError":
            return "08006"  # PyMySQL on a connection that it has found closed.
    for name in ("sqlstate", "pgcode"):
        value = getattr(error, name, None)
        if isinstance(value, str):
            return value
    return None
