//! `config show`: what is in force, and where it comes from.

use serde_json::Value;

use crate::traps::Trap;

fn shown(trap: &Trap, environment: &[(&str, &str)], args: &[&str]) -> (i32, String) {
    let mut command = trap.command(assert_cmd::cargo::cargo_bin("cutgate").as_ref());
    let output = command.envs(environment.iter().copied()).args(["config", "show"]).args(args).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn every_setting_says_where_it_comes_from() {
    let trap = Trap::new();
    trap.replace("cutgate.toml", "file_mb = 64\n", "");
    let package = std::fs::read_to_string(trap.path("cutgate.toml")).unwrap();
    let line = |of: &str| package.lines().position(|line| line.starts_with(of)).unwrap() + 1;
    let environment = [
        ("PGPASSWORD", "opensesame-1"),
        ("CUTTER_API_TOKEN", "opensesame-2"),
        ("PGHOST", "db.example"),
        ("PGOPTIONS", "x"),
    ];
    let (code, text) = shown(&trap, &environment, &["--origin"]);
    assert_eq!(code, 0, "{text}");
    for expected in [
        "package file = \"cutgate.toml\"  # default\n".to_owned(),
        "color = \"auto\"  # default\n".to_owned(),
        "quiet = false  # default\n".to_owned(),
        "verbose = false  # default\n".to_owned(),
        "progress = false  # standard error is no terminal\n".to_owned(),
        format!("limits.audit = \"120s\"  # cutgate.toml:{}\n", line("audit = ")),
        "limits.file_mb = 64  # default\n".to_owned(),
        format!("paths.root = \"host\"  # cutgate.toml:{}\n", line("root = ")),
        // References are filled in.
        format!("database.url = \"sqlite:governance.db\"  # cutgate.toml:{}\n", line("url = \"sqlite")),
        format!("executor.user = \"cutter-exec\"  # cutgate.toml:{}\n", line("user = ")),
        "gate gpg-keyring = \"GAP-3\"  # built in\n".to_owned(),
        "$PGHOST = \"db.example\"  # environment: the server, where the URL names none\n".to_owned(),
        "$PGPASSWORD = \"(set; its value is not shown)\"  # environment\n".to_owned(),
        "$PGOPTIONS = \"(set; its value is not shown)\"  # environment\n".to_owned(),
        "$CUTTER_API_TOKEN = \"(set; its value is not shown)\"  # environment\n".to_owned(),
        "$CUTTER_HMAC_KEY = \"(not set)\"  # environment\n".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected} is not in\n{text}");
    }
    assert!(!text.contains("opensesame"), "{text}");
    let (_, without) = shown(&trap, &environment, &[]);
    assert!(without.contains("limits.file_mb = 64\n") && !without.contains(" # "), "{without}");
    let (code, json) = shown(&trap, &environment, &["--format", "json"]);
    let settings: Value = serde_json::from_str(&json).unwrap();
    let settings = settings["settings"].as_array().unwrap();
    assert!(code == 0 && settings.len() > 150 && settings.iter().all(|setting| setting["origin"].is_string()));
    // Every value of the file is there: as many as a plain reading of it finds, and each line that gives one is named.
    let named = |at: usize| settings.iter().any(|setting| setting["origin"] == format!("cutgate.toml:{at}"));
    for of in ["macro_id", "sovereign = ", "title = \"safe target\"", "scheme", "until = "] {
        assert!(named(line(of)), "{of}");
    }
}

#[test]
fn a_secret_of_the_environment_is_not_shown_from_the_file_either() {
    let trap = Trap::new();
    trap.replace("cutgate.toml", "PATH = \"/usr/local/bin", "TOKEN = \"opensesame-3\"\nPATH = \"/usr/local/bin");
    let (code, said) = shown(&trap, &[("CUTTER_API_TOKEN", "opensesame-3")], &[]);
    assert!(code == 2 && !said.contains("opensesame"), "{said}");
    trap.replace("cutgate.toml", "[trust]", "[truts]");
    assert_eq!(shown(&trap, &[], &[]).0, 2);
    // An own gate, and a package that the command line names.
    let trap = Trap::new();
    trap.gate("kind = \"host\"\n", "it.user.uid >= 0");
    let args = ["--origin", "-p", "./cutgate.toml", "--color", "auto", "--quiet"];
    let (_, text) = shown(&trap, &[("CLICOLOR_FORCE", "1")], &args);
    for expected in [
        "color = \"auto\"  # command line: --color\n",
        "quiet = true  # command line: --quiet\n",
        "progress = false  # command line: --quiet\n",
        "$CLICOLOR_FORCE = \"1\"  # environment: colours where it is not 0, on a terminal or not\n",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(text.contains("gate trap = \"GAP-10\"  # ./gates/trap.toml\n"), "{text}");
    assert!(text.contains("package file = \"./cutgate.toml\"  # command line: --package\n"), "{text}");
}
