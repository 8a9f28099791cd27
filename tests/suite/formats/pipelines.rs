//! What the repository offers to pipelines: each file fits the schema of whoever reads it, and its shell lines do what they
//! say when they are run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;

use crate::attestations::python;
use crate::audit::Lab;

use super::text;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml(file: &str) -> Json {
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    let output = Command::new(python()).args(["-c", script]).arg(root().join(file)).output().unwrap();
    assert!(output.status.success(), "{file}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A program of the tests' own environment over a file.
fn accepts(program: &str, args: &[&str], file: &Path) -> Output {
    let bin = python().with_file_name(program);
    assert!(bin.exists(), "{} is missing: install it with scripts/require test", bin.display());
    Command::new(bin).args(args).arg(file).output().unwrap()
}

#[test]
fn each_file_fits_the_schema_of_its_reader() {
    let dir = tempfile::tempdir().unwrap();
    for (file, program, args) in [
        ("action.yml", "check-jsonschema", &["--builtin-schema", "vendor.github-actions"][..]),
        ("examples/ci/github.yml", "check-jsonschema", &["--builtin-schema", "vendor.github-workflows"]),
        ("examples/ci/gitlab.yml", "check-jsonschema", &["--builtin-schema", "vendor.gitlab-ci"]),
        (".pre-commit-hooks.yaml", "pre-commit", &["validate-manifest"]),
    ] {
        let output = accepts(program, args, &root().join(file));
        assert!(output.status.success(), "{file}: {}{}", text(&output.stdout), text(&output.stderr));
        // The reader sees what is wrong.
        let wrong = dir.path().join("wrong.yml");
        let source = fs::read_to_string(root().join(file)).unwrap();
        fs::write(
            &wrong,
            source
                .replace("runs:", "rnus:")
                .replace("jobs:", "obs:")
                .replace("entry:", "enrty:")
                .replace("script:", "sript:"),
        )
        .unwrap();
        assert!(!accepts(program, args, &wrong).status.success(), "{file}");
    }
}

/// A shell step in the folder of a laboratory, with the program in the search path and these variables.
fn step(lab: &Lab, script: &str, variables: &[(&str, &str)]) -> Output {
    let bin = lab.path("bin");
    if !bin.exists() {
        fs::create_dir(&bin).unwrap();
        symlink(assert_cmd::cargo::cargo_bin("cutgate"), bin.join("cutgate")).unwrap();
    }
    // As the runner of GitHub Actions starts `shell: bash`.
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]).current_dir(lab.path("")).env_clear();
    command.env("PATH", format!("{}:/usr/bin:/bin", bin.display())).envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn the_action_ends_with_the_code_and_keeps_what_was_found() {
    let action = yaml("action.yml");
    let steps = action["runs"]["steps"].as_array().unwrap();
    let audit = steps.iter().find(|step| step["id"] == "audit").unwrap();
    let script = audit["run"].as_str().unwrap();
    assert!(!script.contains("${{"), "what a workflow passes is no part of the script");
    let lab = Lab::new();
    fs::create_dir(lab.path("tmp")).unwrap();
    let file = |name: &str| -> PathBuf { lab.path("tmp").join(name) };
    let run = |package: &str, only: &str, profile: &str| {
        for name in ["output", "summary"] {
            fs::write(file(name), "").unwrap();
        }
        let temp = lab.path("tmp").display().to_string();
        let (output, summary) = (file("output").display().to_string(), file("summary").display().to_string());
        let variables = [
            ("PACKAGE", package),
            ("ONLY", only),
            ("PROFILE", profile),
            ("BASELINE", ""),
            ("REQUIRE", "B"),
            ("PROGRAM", "cutgate"),
            ("RUNNER_TEMP", &*temp),
            ("GITHUB_OUTPUT", &*output),
            ("GITHUB_STEP_SUMMARY", &*summary),
        ];
        let ran = step(&lab, script, &variables);
        (
            ran.status.code(),
            text(&ran.stdout),
            fs::read_to_string(file("output")).unwrap(),
            fs::read_to_string(file("summary")).unwrap(),
        )
    };
    let (code, said, outputs, summary) = run("cutgate.toml", "", "");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.lines().all(|line| line.starts_with("::error ")), "{said}");
    assert!(outputs.starts_with("exit-code=1\nsarif=") && outputs.ends_with("cutgate.xml\n"), "{outputs}");
    assert!(summary.contains("| OPEN | GAP-9 |"), "{summary}");
    let (code, said, outputs, summary) = run("cutgate.toml", "deployed-artifact,live-code-path", "");
    assert!(code == Some(1) && said.contains("title=GAP-9") && outputs.starts_with("exit-code=1\n"), "{said}{outputs}");
    assert!(summary.contains("No result: 2 of 9 gates were judged"), "{summary}");
    let (code, said, outputs, _) = run("cutgate.toml", "deployed-artifact", "");
    assert!(code == Some(0) && outputs.starts_with("exit-code=0\n"), "{said}{outputs}");
    let package = fs::read_to_string(lab.path("cutgate.toml")).unwrap();
    fs::write(lab.path("cutgate.toml"), package + "\n[profile.ci]\ngates = [\"deployed-artifact\"]\n").unwrap();
    let (code, said, outputs, summary) = run("cutgate.toml", "", "ci");
    assert!(code == Some(0) && outputs.starts_with("exit-code=0\n"), "{said}{outputs}");
    assert!(summary.contains("No result: profile ci: 1 of 9 gates were judged; not judged: "), "{summary}");
    // Nothing of the green one before is left where nothing was judged.
    let (code, _, outputs, summary) = run("nowhere.toml", "", "");
    assert_eq!((code, outputs.as_str()), (Some(2), "exit-code=2\n"));
    assert_eq!(summary, "cutgate judged nothing (exit code 2)\n");
    assert!(!file("cutgate-formats/cutgate.xml").exists());
    let (code, ..) = run("cutgate.toml", "deployed-artifact' --format x", "");
    assert_eq!(code, Some(2), "an input is one argument, whatever is in it");
}

#[test]
fn the_job_of_gitlab_ends_with_the_code_and_keeps_what_was_found() {
    let template = yaml("examples/ci/gitlab.yml");
    let job = &template["cutgate"];
    assert_eq!((&job["artifacts"]["when"], &job["allow_failure"]), (&"always".into(), &false.into()));
    let script: Vec<_> = job["script"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let lab = Lab::new();
    for (only, code) in [("live-code-path", 1), ("", 1), ("deployed-artifact", 0)] {
        let ran = step(
            &lab,
            &script.join("\n"),
            &[("CUTGATE_PACKAGE", "cutgate.toml"), ("CUTGATE_ONLY", only), ("CUTGATE_PROFILE", "")],
        );
        assert_eq!(ran.status.code(), Some(code), "{only}: {}", text(&ran.stderr));
        for report in ["junit", "codequality"] {
            let file = job["artifacts"]["reports"][report].as_str().unwrap();
            assert!(fs::metadata(lab.path(file)).unwrap().len() > 2 || code == 0, "{report}");
        }
    }
    let ran = step(&lab, &script.join("\n"), &[("CUTGATE_PACKAGE", "nowhere.toml"), ("CUTGATE_ONLY", "")]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(!lab.path("cutgate.xml").exists(), "the green one before is gone");
}

#[test]
fn the_hooks_end_with_the_code() {
    let hooks = yaml(".pre-commit-hooks.yaml");
    let lab = Lab::new();
    for (id, code) in [("cutgate-gates", 0), ("cutgate-code-path", 1)] {
        let hook = hooks.as_array().unwrap().iter().find(|hook| hook["id"] == id).unwrap();
        assert_eq!(hook["pass_filenames"], false, "what is judged does not depend on what a commit changes");
        let ran = step(&lab, hook["entry"].as_str().unwrap(), &[]);
        assert_eq!(ran.status.code(), Some(code), "{id}: {}", text(&ran.stderr));
    }
    fs::write(lab.path("cutgate.toml"), "[package]\n").unwrap();
    for hook in hooks.as_array().unwrap() {
        assert_eq!(step(&lab, hook["entry"].as_str().unwrap(), &[]).status.code(), Some(2), "{}", hook["id"]);
    }
}

/// The job that is required runs always, and is green for one word only.
#[test]
fn a_required_check_is_green_for_success_alone() {
    let workflow = yaml("examples/ci/github.yml");
    let required = &workflow["jobs"]["readiness"];
    assert_eq!(required["if"], "always()");
    assert_eq!(required["steps"][0]["env"]["RESULT"], "${{ needs.code.result }}");
    let script = required["steps"][0]["run"].as_str().unwrap();
    let lab = Lab::new();
    for (result, code) in [("success", 0), ("failure", 1), ("cancelled", 1), ("skipped", 1), ("", 1)] {
        assert_eq!(step(&lab, script, &[("RESULT", result)]).status.code(), Some(code), "{result}");
    }
}
