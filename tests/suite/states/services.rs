//! `services` in every state: real processes with pid files, and a real systemd in namespaces of its own.

use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cutgate::probes::Limits;
use rustix::process::{Pid, WaitId, WaitIdOptions};

use super::container::{Container, audited, program_in};
use super::{Asked, Room, State, Truth, matrix, state};

/// A process that is killed at the end.
pub(crate) struct Running(pub Child);

impl Running {
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        let child = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{program}: {error}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn short(limits: &mut Limits) {
    limits.read = Duration::from_millis(300);
}

fn asked(settings: &str) -> Asked {
    Asked::of("services", settings)
        .rule("p.services.it.running && p.services.it.command == \"sleep\"")
        .shows(&["services.it.exists", "services.it.state", "services.it.running", "services.it.instance"])
        .says("{p.services.it.state}, runs: {p.services.it.running}, {p.services.it.command}")
        .on_this_machine()
}

/// A unit whose start is waited for until the program runs: the process has another name before.
pub(crate) const SLEEPS: &str = "Type=exec\nExecStart=/bin/sleep 600";

/// What differs from run to run.
const NUMBERS: (&str, &str) =
    (r"boot [0-9a-f-]{36} pid \d+ tick \d+( invocation )?[0-9a-f]{0,32}|\bprocess \d+|ps -p \d+|/proc/\d+", "<number>");

fn row(words: &str, truth: Truth, make: impl Fn(&Room) + 'static) -> State {
    state(words, truth, make).mask(NUMBERS.0, NUMBERS.1)
}

/// A process whose number stands in the pid file, with a text after it.
fn runs(room: &Room, program: &str, arguments: &[&str], after: &str) {
    let running = Running::start(program, arguments);
    room.write("it.pid", format!("{}{after}", running.0.id()));
    room.keep(running);
}

/// The number of a process that ended.
fn ended() -> u32 {
    let mut child = Command::new("true").spawn().expect("true");
    child.wait().expect("it ends");
    child.id()
}

#[test]
fn states_of_pid_files() {
    let holding =
        |words: &str, text: &'static str| row(words, Truth::CannotBeKnown, move |room| room.write("it.pid", text));
    let by_file = asked("services = { it = { pid_file = \"it.pid\" } }");
    let table = by_file.table([
        row("the process runs", Truth::Holds, |room| runs(room, "sleep", &["600"], "\n")),
        row("the process of another user runs", Truth::Holds, |room| runs(room, "sleep", &["600"], "\n")).as_nobody(),
        row("more lines after the number, as PostgreSQL writes them", Truth::Holds, |room| {
            runs(room, "sleep", &["600"], "\n/var/lib/postgresql/15/main\n1795426798\n5432\n");
        }),
        row("the process is another program", Truth::Fails, |room| runs(room, "cat", &[], "\n")),
        row("stale: no process has the number", Truth::Fails, |room| room.write("it.pid", format!("{}\n", ended()))),
        row("the process has ended, and nobody took note of it", Truth::Fails, |room| {
            let running = Running::start("true", &[]);
            let pid = Pid::from_child(&running.0);
            rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).expect("it ends");
            room.write("it.pid", format!("{}\n", running.0.id()));
            room.keep(running);
        }),
        row("stale: the number was given to a process that started later", Truth::CannotBeKnown, |room| {
            runs(room, "sleep", &["600"], "\n");
            let file = std::fs::File::options().write(true).open(room.host("it.pid")).expect("open");
            file.set_modified(SystemTime::now() - Duration::from_secs(3600)).expect("its time");
        }),
        row("no pid file", Truth::CannotBeKnown, |_| ()),
        row("a symlink that leads nowhere", Truth::CannotBeKnown, |room| {
            symlink("nowhere", room.host("it.pid")).expect("symlink");
        }),
        holding("empty", ""),
        holding("no number", "none\n"),
        holding("the number 0, which is everybody", "0\n"),
        holding("a negative number", "-1\n"),
        holding("a number that no process can have", "99999999999\n"),
        row("the pid file has mode 000", Truth::CannotBeKnown, |room| {
            runs(room, "sleep", &["600"], "\n");
            room.mode("it.pid", 0o000);
        })
        .as_nobody(),
        row("a folder in its place", Truth::CannotBeKnown, |room| room.dir("it.pid", 0o755)),
        row("a FIFO in its place", Truth::CannotBeKnown, |room| room.fifo("it.pid")),
        row("of 4 GB, sparse", Truth::CannotBeKnown, |room| room.sparse("it.pid", 4 << 30)),
        row("/proc hides the processes of others (hidepid=invisible)", Truth::CannotBeKnown, |room| {
            runs(room, "sleep", &["600"], "\n");
        })
        .read_by(|room| {
            let mut hidden = Command::new("unshare");
            let script = "mount -t proc -o hidepid=invisible proc /proc && exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$0\" \"$@\"";
            hidden.args(["-m", "sh", "-c", script]).arg(program_in(&room.path(""))).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            audited(hidden, &room.path(""))
        })
        .mask("as [a-z]+:", "as nobody:")
        .mask("not as [a-z]+", "not as nobody"),
    ]);
    let distant = asked("services = { it = { pid_file = \"var/it.pid\" } }").table([row(
        "on a mount whose server does not answer",
        Truth::CannotBeKnown,
        |room| room.dead_mount("var"),
    )
    .limits(short)]);
    let mut image = by_file;
    image.rooted = true;
    let image = image.table([row("below a root prefix, where no process runs", Truth::CannotBeKnown, |room| {
        room.write("it.pid", "1\n");
    })]);
    let about = "Whether a process runs, whose number a pid file holds. Facts are shown without their numbers.";
    matrix("services: pid files", about, vec![table, distant, image]);
}

#[test]
fn states_of_units() {
    let container = Arc::new(Container::boot());
    let rows = |words: &str, truth: Truth, make: fn(&Container)| {
        let (made, read) = (container.clone(), container.clone());
        let make = move |_: &Room| {
            made.shell("systemctl stop it || true; systemctl reset-failed; rm -f /run/systemd/system/it.service; systemctl daemon-reload");
            make(&made);
        };
        row(words, truth, make).read_by(move |room| {
            let program = assert_cmd::cargo::cargo_bin("cutgate");
            audited(read.command(&room.path(""), program), &room.path(""))
        })
    };
    let sleeps = |container: &Container| {
        container.unit("it", SLEEPS);
        container.shell("systemctl start it");
    };
    let by_unit = asked("services = { it = { unit = \"it.service\" } }");
    let table = by_unit.table([
        rows("the unit is active", Truth::Holds, sleeps),
        rows("its main process is another program", Truth::Fails, |container| {
            container.unit("it", "Type=exec\nExecStart=/usr/bin/tail -f /dev/null");
            container.shell("systemctl start it");
        }),
        rows("its main process has parentheses and spaces in its name", Truth::Fails, |container| {
            container.unit(
                "it",
                "ExecStart=/bin/sh -c \"cp /bin/sleep \\\"/run/a) S (b\\\" && exec \\\"/run/a) S (b\\\" 600\"",
            );
            container.shell("systemctl start it; until grep -q 'S (b' /proc/$(systemctl show -p MainPID --value it)/comm; do sleep 0.05; done");
        }),
        rows("its file was taken away while it runs", Truth::Holds, |container| {
            container.unit("it", SLEEPS);
            container.shell("systemctl start it; rm /run/systemd/system/it.service; systemctl daemon-reload");
        }),
        rows("the unit was stopped", Truth::Fails, |container| {
            container.unit("it", SLEEPS);
            container.shell("systemctl start it; systemctl stop it");
        }),
        rows("the unit never was started", Truth::Fails, |container| container.unit("it", SLEEPS)),
        rows("the unit has failed", Truth::Fails, |container| {
            container.unit("it", "Type=oneshot\nExecStart=/bin/false");
            container.shell("systemctl start it || true");
        }),
        rows("systemd knows no such unit", Truth::CannotBeKnown, |_| ()),
        rows("the unit is masked", Truth::Fails, |container| {
            container.shell("ln -s /dev/null /run/systemd/system/it.service; systemctl daemon-reload");
        }),
        rows("active without a main process", Truth::CannotBeKnown, |container| {
            container.unit("it", "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true");
            container.shell("systemctl start it");
        }),
        rows("its file is broken", Truth::Fails, |container| {
            container.unit("it", "ExecStart=sleep-without-a-path/x 600")
        }),
    ]);
    // What is so is not asked: systemd does not get that far.
    let (own, masks) = (["-m", "sh", "-c"], |state: State| {
        state
            .mask("as [a-z]+:", "as <user>:")
            .mask("exit status 1: [^;→]+[^;→ ]", "exit status 1: <what systemctl prints>")
    });
    let without = |words: &str, script: &'static str| {
        masks(row(words, Truth::CannotBeKnown, |_| ()).read_by(move |room| {
            let mut alone = Command::new("unshare");
            alone.args(own).arg(format!("{script}; exec \"$0\" \"$@\"")).arg(assert_cmd::cargo::cargo_bin("cutgate"));
            alone.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            audited(alone, &room.path(""))
        }))
    };
    let (stopped, poor) = (container.clone(), container.clone());
    let nobody = masks(row("an ordinary user, and no bus", Truth::CannotBeKnown, |_| ()).read_by(move |room| {
        let mut command = poor.command(&room.path(""), "setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program_in(&room.path("")));
        audited(command, &room.path(""))
    }));
    let nowhere = by_unit.table([
        without("systemd does not run here", "mount -t tmpfs tmpfs /run"),
        without("systemctl is not there", "mount --bind /dev/null \"$(readlink -f /usr/bin/systemctl)\""),
        nobody,
    ]);
    let mut patient = by_unit;
    patient.settings.push_str("\ntimeout = \"1s\"");
    let silent = patient.table([masks(row("systemd does not answer within a second", Truth::CannotBeKnown, |_| ()))
        .read_by(move |room| {
            stopped.signal("-STOP");
            let evidence =
                audited(stopped.command(&room.path(""), assert_cmd::cargo::cargo_bin("cutgate")), &room.path(""));
            stopped.signal("-CONT");
            evidence
        })]);
    let about = "Whether the main process of a unit runs, with a real systemd in namespaces of its own. Facts are shown without their numbers.";
    matrix("services: systemd", about, vec![table, nowhere, silent]);
}
