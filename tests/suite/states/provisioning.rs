//! `provisioning` in every state.

use std::time::Duration;

use super::{Asked, Truth, matrix, state};

#[test]
fn folders() {
    let asked = Asked::of("provisioning", r#"paths = [{ path = "/var/runs", kind = "directory", owner = "cutter" }]"#)
        .rule("p.paths[0].matches")
        .shows(&["paths.0.exists", "paths.0.matches"])
        .says("/var/runs: {p.paths[0].why}");
    let table = asked.table([
        state("as wanted", Truth::Holds, |room| room.dir("var/runs", 0o755)),
        state("absent, the folder above can be searched", Truth::Fails, |room| room.dir("var", 0o755)),
        state("the folder above has mode 000", Truth::CannotBeKnown, |room| {
            room.dir("var/runs", 0o755);
            room.mode("var", 0o000);
        })
        .as_nobody(),
        state("on a mount whose server does not answer", Truth::CannotBeKnown, |room| room.dead_mount("var"))
            .limits(|limits| limits.probe = Duration::from_millis(500)),
    ]);
    matrix("provisioning", "Whether a folder is there as the executor needs it.", vec![table]);
}
