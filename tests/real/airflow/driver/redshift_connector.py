"""Stands in for Amazon's driver, so that Airflow's hook finds a warehouse without one: the database is SQLite's.

Only what the hook and the OpenLineage provider use. Tables, the catalogue view that the provider asks for schemas, and
`CURRENT_SCHEMA()` are real, so SQL runs and wrong SQL fails. COPY and UNLOAD do nothing. The host is never contacted.
"""

import sqlite3

InterfaceError, OperationalError = sqlite3.InterfaceError, sqlite3.OperationalError
COLUMNS = (("id", 1, "integer"), ("name", 2, "character varying"))
TABLES = ("src", "dst")


class Cursor(sqlite3.Cursor):
    def execute(self, sql, parameters=()):
        if sql.split()[0].upper() in ("COPY", "UNLOAD"):
            sql, parameters = "SELECT 1 WHERE false", ()
        if "pg_catalog" in sql:  # what COPY's and UNLOAD's operators ask: columns and comments of one table
            [table] = [table for table in TABLES if f"cols.table_name = '{table}'" in sql]
            sql, parameters = "SELECT column_name, data_type, NULL, NULL FROM svv_redshift_columns WHERE table_name = ?", (table,)
        return super().execute(sql, parameters)


class Connection(sqlite3.Connection):
    autocommit = False  # as the hook sets it; SQLite's own transactions are as good

    def cursor(self):
        return super().cursor(Cursor)


def connect(host, port=5439, database=None, user=None, password=None):
    connection = sqlite3.connect(":memory:", factory=Connection)
    connection.create_function("current_schema", 0, lambda: "public")
    connection.execute("ATTACH ':memory:' AS public")
    connection.execute("CREATE TABLE svv_redshift_columns (schema_name, table_name, column_name, ordinal_position, data_type, database_name)")
    for table in TABLES:
        connection.execute(f"CREATE TABLE public.{table} (id integer, name text)")
        rows = [("public", table, *column, database) for column in COLUMNS]
        connection.executemany("INSERT INTO svv_redshift_columns VALUES (?, ?, ?, ?, ?, ?)", rows)
    return connection
