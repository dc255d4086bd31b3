"""MariaDB and MySQL by PyMySQL."""

from __future__ import annotations

from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql

__all__ = ["MySQL"]


class MySQL:
    """MariaDB 10.6 or newer, alone or as a Galera cluster; MySQL 8.0.16 or newer."""

    name = "mysql"
    sa = MySQLDialect_pymysql(paramstyle="format", is_mariadb=True)
