"""A driver for PostgreSQL over ``psql``, in the shape of PEP 249: it needs the standard library, and ``psql`` beside it.

One ``psql`` for one connection. Each statement goes to its input with the values written into it as literals; each row comes
back as a line of JSON, and after them a line that nobody else can know, with how the statement ended. Who connects, and with
which password, libpq finds as always: in the URL, ``PGSERVICE``, ``PGPASSFILE``. The URL holds no password, for others see it.
"""

import json
import os
import secrets
import subprocess
from types import TracebackType
from typing import Any, List, Optional, Sequence, Tuple, Type
from urllib.parse import parse_qsl, urlsplit

apilevel = "2.0"
threadsafety = 0
paramstyle = "format"


class Error(OSError):
    """What the server or ``psql`` refused, or that it is gone."""


def connect(url: str, read_only: bool = False, statement_timeout_ms: int = 0) -> "Connection":
    """A new connection. Where it leads nowhere the first statement says so."""
    return Connection(url, read_only, statement_timeout_ms)


class Connection:
    """One connection. A transaction begins with the first statement, and ends with ``commit`` or ``rollback``."""

    def __init__(self, url: str, read_only: bool, statement_timeout_ms: int) -> None:
        if urlsplit(url).password or any(name == "password" for name, _ in parse_qsl(urlsplit(url).query)):
            raise Error("the URL holds a password, which others could see: put it into PGPASSFILE")
        self.url = url
        self._mark = secrets.token_hex(16)
        #: Whether a transaction is open, and whether a statement of it failed.
        self._open = False
        self._failed = False
        environment = dict(os.environ, PGCLIENTENCODING="UTF8", PGAPPNAME="cutter", PGTZ="UTC")
        # What psql says goes to the operator; it never asks for a password.
        self._psql = subprocess.Popen(
            ["psql", "-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=0", "-d", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        try:
            self._tell("SET standard_conforming_strings = on")
            self._tell(f"SET statement_timeout = {int(statement_timeout_ms)}")
            self._tell(f"SET lock_timeout = {int(statement_timeout_ms)}")
            if read_only:
                self._tell("SET default_transaction_read_only = on")
        except BaseException:
            self.close()
            raise

    def cursor(self) -> "Cursor":
        """Where statements are run."""
        return Cursor(self)

    def commit(self) -> None:
        """Ends the transaction for good. One in which something failed is not committed, whatever the server makes of it."""
        if self._failed:
            raise Error("a statement of this transaction failed: nothing is committed")
        if self._open:
            self._tell("COMMIT")
            self._open = False

    def rollback(self) -> None:
        """Ends the transaction as if it had not been. Where the server is gone it has done so itself."""
        if self._open and self._psql.poll() is None:
            self._tell("ROLLBACK")
        self._open = self._failed = False

    def close(self) -> None:
        """Ends ``psql``; what was not committed is gone."""
        for pipe in (self._psql.stdin, self._psql.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    pass
        self._psql.wait()

    def run(self, statement: str) -> Tuple[List[Tuple[Any, ...]], int]:
        """Runs one statement in the transaction; its rows, and how many rows it gave or changed."""
        if self._failed:
            raise Error("a statement of this transaction failed: roll back first")
        if not self._open:
            self._tell("BEGIN")
            self._open = True
        try:
            return self._tell(statement)
        except BaseException:
            self._failed = True
            raise

    def _tell(self, statement: str) -> Tuple[List[Tuple[Any, ...]], int]:
        lines, last = self._ask(f"{statement}\n;\n\\echo {self._mark} :ERROR :SQLSTATE :ROW_COUNT\n")
        error, state, count = last
        if error != "false":
            said, _ = self._ask(f"\\echo :LAST_ERROR_MESSAGE\n\\echo {self._mark} - - -\n")
            raise Error(f"{' '.join(said)} (SQLSTATE {state})")
        return [tuple(value for _, value in json.loads(line, object_pairs_hook=list)) for line in lines], int(count)

    def _ask(self, text: str) -> Tuple[List[str], List[str]]:
        """Sends text, and reads up to the mark: the lines before it, and the words beside it."""
        lines: List[str] = []
        try:
            if self._psql.stdin is None or self._psql.stdout is None:
                raise BrokenPipeError
            self._psql.stdin.write(text.encode("utf-8"))
            self._psql.stdin.flush()
            for raw in self._psql.stdout:
                line = raw.decode("utf-8").rstrip("\n")
                if line.startswith(self._mark + " "):
                    return lines, line.split(" ")[1:]
                lines.append(line)
        except (BrokenPipeError, ValueError) as error:
            raise Error(f"psql ended before it answered: {error}") from error
        raise Error("psql ended before it answered: the connection to the server is lost")


class Cursor:
    """Runs statements with ``%s`` in the places of values, and keeps the rows of the last."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.rowcount = -1
        self._rows: List[Tuple[Any, ...]] = []

    def __enter__(self) -> "Cursor":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def execute(self, statement: str, values: Sequence[Any] = ()) -> None:
        """Runs one statement."""
        parts = statement.split("%s")
        if len(parts) != len(values) + 1:
            raise Error(f"{len(values)} values for {len(parts) - 1} places in {statement!r}")
        text = parts[0] + "".join(literal(value) + part for value, part in zip(values, parts[1:]))
        if text.startswith("SELECT "):
            text = f"SELECT to_json(answer) FROM ({text}) AS answer"
        self._rows, self.rowcount = self.connection.run(text)

    def fetchone(self) -> Optional[Tuple[Any, ...]]:
        """The next row, or nothing."""
        return self._rows.pop(0) if self._rows else None

    def fetchall(self) -> List[Tuple[Any, ...]]:
        """All rows that are left."""
        rows, self._rows = self._rows, []
        return rows

    def close(self) -> None:
        """Lets go of the rows."""
        self._rows = []


def literal(value: Any) -> str:
    """A value as SQL writes it. Strings are those of the standard, in which a backslash is a sign like any other."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str) or "\0" in value:
        raise Error(f"{value!r} cannot be written as a value")
    return "'" + value.replace("'", "''") + "'"
