"""Rows of real databases that fail: triggers of the table of the sessions raise chosen errors."""

from __future__ import annotations

from contextlib import closing, contextmanager

import psycopg
import pymysql

from flask_jwt.stores import open_store

POSTGRESQL = """
CREATE SEQUENCE IF NOT EXISTS fault_count;
CREATE OR REPLACE FUNCTION fault() RETURNS trigger AS $$ BEGIN
    IF OLD.label = 'slow' THEN PERFORM pg_sleep(30); END IF;
    IF OLD.label LIKE 'fault %' THEN
        RAISE EXCEPTION 'a fault' USING ERRCODE = substr(OLD.label, 7),
            DETAIL = 'Failing row contains ' || OLD.payload;
    END IF;
    IF OLD.label LIKE 'twice %' AND nextval('fault_count') % 3 > 0 THEN
        RAISE EXCEPTION 'not yet' USING ERRCODE = substr(OLD.label, 7);
    END IF;
    RETURN NEW;
END $$ LANGUAGE plpgsql;
CREATE OR REPLACE TRIGGER fault BEFORE UPDATE ON jwt_sessions FOR EACH ROW
    WHEN (OLD.label = NEW.label) EXECUTE FUNCTION fault();
ALTER SEQUENCE fault_count RESTART
"""

MARIADB = """
CREATE SEQUENCE IF NOT EXISTS fault_count;
CREATE OR REPLACE TRIGGER fault BEFORE UPDATE ON jwt_sessions FOR EACH ROW BEGIN
    DECLARE number INT;
    IF OLD.label = NEW.label THEN
        IF OLD.label = 'slow' THEN DO SLEEP(30); END IF;
        IF OLD.label LIKE 'fault %' THEN
            SET number = CAST(SUBSTR(OLD.label, 7) AS INT);
            SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = number, MESSAGE_TEXT = 'the row';
        END IF;
        IF OLD.label LIKE 'twice %' THEN
            IF NEXT VALUE FOR fault_count % 3 > 0 THEN
                SET number = CAST(SUBSTR(OLD.label, 7) AS INT);
                SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = number;
            END IF;
        END IF;
    END IF;
END;
ALTER SEQUENCE fault_count RESTART
"""


class PostgresqlRows:
    """The rows of a database of PostgreSQL."""

    codes = {
        "read-only": "25006", "lock timeout": "55P03", "deadlock": "40P01",
        "serialization": "40001", "permission": "42501", "connection limit": "53300",
        "out of memory": "53200", "disk full": "53100", "statement timeout": "57014",
    }  # fmt: skip

    def __init__(self, server):
        self.url = server.url.replace("+psycopg", "").partition("?")[0]
        open_store(server.url, 5).setup()
        self.execute(POSTGRESQL)

    def connect(self):
        options = "-c default_transaction_read_only=off"
        return closing(psycopg.connect(self.url, autocommit=True, options=options))

    def execute(self, statements):
        with self.connect() as connection:
            connection.execute(statements)

    @contextmanager
    def locking(self, sid):
        """Lock the row of a session."""
        with self.connect() as connection, connection.transaction():
            connection.execute("SELECT 1 FROM jwt_sessions WHERE sid = %s FOR UPDATE", [sid])
            yield


class MariadbRows:
    """The rows of a database of MariaDB."""

    codes = {
        "read-only": 1290, "lock timeout": 1205, "deadlock": 1213, "serialization": 1020,
        "permission": 1142, "connection limit": 1226, "out of memory": 1041, "disk full": 1114,
        "statement timeout": 1969, "read-only transaction": 1792, "read-only server": 1836,
    }  # fmt: skip

    def __init__(self, server):
        self.port = server.port
        open_store(server.url, 5).setup()
        first, rest = MARIADB.split(";", 1)
        trigger, last = rest.rsplit(";", 1)
        for statement in (first, trigger, last):
            self.execute(statement)

    def connect(self):
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", database="tested", autocommit=True
        )

    def execute(self, statement):
        with self.connect() as connection:
            connection.cursor().execute(statement)

    @contextmanager
    def locking(self, sid):
        """Lock the row of a session."""
        with self.connect() as connection:
            connection.begin()
            query = "SELECT 1 FROM jwt_sessions WHERE sid = %s FOR UPDATE"
            connection.cursor().execute(query, [sid])
            yield
            connection.rollback()
