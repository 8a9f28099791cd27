"""A PostgreSQL server of its own for benchmarks: made in a scratch folder, filled quickly, stopped and removed afterwards.

As root the server runs as the user `postgres`, for it refuses root. Nothing of it survives the benchmark, so that it syncs
nothing to disk.
"""

import atexit
import contextlib
import os
import pathlib
import pwd
import signal
import subprocess
import time

SETTINGS = "-c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=1GB -c max_wal_size=4GB -c autovacuum=off"
# Of each role and table one privilege; the sixth and the seventh table of ten are written as well.
GRANTS = """
DO $$ DECLARE t int; BEGIN
    FOR r IN 1..{roles} LOOP EXECUTE format('CREATE ROLE bench_%s LOGIN', lpad(r::text, 3, '0')); END LOOP;
    CREATE SCHEMA s;
    FOR t IN 1..{tables} LOOP EXECUTE format('CREATE TABLE s.t%s (id int, body text)', lpad(t::text, 4, '0')); END LOOP;
END $$;
DO $$ BEGIN
    FOR t IN 1..{tables} LOOP
        EXECUTE (SELECT format('GRANT SELECT ON s.t%s TO %s', lpad(t::text, 4, '0'),
            string_agg(format('bench_%s', lpad(((t * 7 + n * 4) % {roles} + 1)::text, 3, '0')), ', '))
            FROM generate_series(1, {each}) n);
    END LOOP;
END $$;
"""
SURFACE = """
CREATE SCHEMA surface;
CREATE UNLOGGED TABLE surface.unit (id bigint, document int, state text, body text, cut timestamptz);
INSERT INTO surface.unit SELECT n, n % 1000, CASE n % 3 WHEN 0 THEN 'draft' ELSE 'enacted' END,
    'unit ' || n || ' of a governed document', '2026-01-01Z'::timestamptz + n * interval '1 second'
    FROM generate_series(1, {rows}) n;
"""


class Cluster:
    """A running server."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.programs = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        # Who may not be root needs a way to what is root's.
        for above in [*self.folder.parents]:
            if above.stat().st_uid == os.getuid() and not above.stat().st_mode & 0o001:
                above.chmod(above.stat().st_mode | 0o011)
        self.user = []
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        data = self.folder / "data"
        self.run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"{SETTINGS} -c unix_socket_directories={self.folder}"
        self.run("pg_ctl", "-D", data, "-l", self.folder / "log", "-w", "-o", options, "start")
        self.pid = int((data / "postmaster.pid").read_text().split()[0])
        atexit.register(self.stop)

    def run(self, program, *words):
        """Runs one of the server's own programs."""
        command = [*self.user, self.programs / program, *words]
        subprocess.run(command, check=True, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def psql(self, *words):
        """The command of psql, without the user's own settings."""
        return ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", "postgres", "-d", "postgres", *words]

    def fill(self, roles, tables, privileges, rows):
        """Makes roles, tables, privileges and the table of many rows, and has the server look at them once."""
        grants = GRANTS.format(roles=roles, tables=tables, each=privileges // tables)
        for statements in (grants, SURFACE.format(rows=rows), "VACUUM ANALYZE"):
            subprocess.run(self.psql("-c", statements), check=True, stdout=subprocess.DEVNULL)

    def url(self):
        """Where a package finds it."""
        return f"postgresql:///postgres?host={self.folder}&user=postgres"

    def stop(self):
        """Ends the server at once, also where its folder is gone."""
        pid, self.pid = self.pid, None
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
            while True:
                time.sleep(0.05)
                os.kill(pid, 0)
