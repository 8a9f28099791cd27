//! The commands of a code block: what is a comment, what only reads, what tears a schema down, and what
//! refers to one cut. Lexical on purpose: it errs towards seeing no revert.

/// Code block languages that hold no commands.
const NOT_COMMANDS: &[&str] = &[
    "text",
    "txt",
    "output",
    "log",
    "json",
    "yaml",
    "yml",
    "toml",
    "ini",
    "csv",
    "diff",
    "markdown",
    "md",
    "mermaid",
    "html",
    "xml",
    "plain",
    "plaintext",
];
/// Languages in which a line break ends a command.
const SHELLS: &[&str] = &["sh", "bash", "shell", "zsh", "console", "shell-session", "shellsession", "terminal"];

/// What one code block does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// Statements that drop or truncate whole objects.
    pub teardown: usize,
    /// Statements that change something and refer to one cut.
    pub per_cut: usize,
    /// All other statements: reading, or changing without naming a cut.
    pub other: usize,
}

impl Commands {
    /// Reads a code block. `info` is the fence's info string, empty for an indented block.
    pub fn of(info: &str, code: &str) -> Self {
        let language = info.split([' ', ',', '{', '\t']).next().unwrap_or("").to_lowercase();
        let mut commands = Self::default();
        if NOT_COMMANDS.contains(&language.as_str()) {
            return commands;
        }
        let shell = SHELLS.contains(&language.as_str()) || (language.is_empty() && !looks_like_sql(code));
        for statement in statements(&without_comments(code, shell), shell) {
            let all = words(&statement);
            let run = words(after_assignments(&statement));
            if all.iter().all(|word| is_filler(word)) {
                continue;
            } else if tears_down(&all) {
                commands.teardown += 1;
            } else if refers_to_one_cut(&all) && changes(&run) {
                commands.per_cut += 1;
            } else {
                commands.other += 1;
            }
        }
        commands
    }
}

/// Whether a block that does not say its language is SQL: a line of it begins with one of SQL's verbs.
fn looks_like_sql(code: &str) -> bool {
    const VERBS: &[&str] = &[
        "select", "insert", "update", "delete", "merge", "with", "begin", "commit", "drop", "truncate", "create",
        "alter", "grant", "revoke", "call", "vacuum", "explain", "set",
    ];
    code.lines().any(|line| words(line).first().is_some_and(|word| VERBS.contains(&word.as_str())))
}

/// The code without its comments: `/* … */`, in SQL all from `--`, in a shell all from `#`. There `--` counts only
/// before a blank (SQL in a here-document), so that options stay.
fn without_comments(code: &str, shell: bool) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some(start) = rest.find("/*") {
        kept.push_str(&rest[..start]);
        kept.push(' ');
        rest = rest[start..].find("*/").map_or("", |end| &rest[start + end + 2..]);
    }
    kept.push_str(rest);
    let begins = |line: &str, at: usize| {
        let (before, rest) = line.split_at(at);
        let free = before.is_empty() || before.ends_with(char::is_whitespace);
        let dashes = rest.strip_prefix("--");
        let dashes =
            dashes.is_some_and(|after| !shell || (free && !after.starts_with(|c: char| c.is_ascii_alphanumeric())));
        dashes || (free && (rest.starts_with('#') || rest.starts_with("//")))
    };
    let lines = kept.lines().map(|line| {
        let end = line.char_indices().map(|(at, _)| at).find(|at| begins(line, *at)).unwrap_or(line.len());
        &line[..end]
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A shell statement without the assignments before its command: `RUN_ID=x psql …` runs `psql`, `RUN_ID=x` nothing.
fn after_assignments(statement: &str) -> &str {
    let mut rest = statement.trim_start();
    loop {
        let name = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
        if name == 0 || !rest[name..].starts_with('=') {
            return rest;
        }
        let (mut quote, mut depth) = (None, 0_usize);
        let end = rest.char_indices().find(|(_, c)| {
            match (quote, *c) {
                (Some(open), c) if c == open => quote = None,
                (None, '\'' | '"' | '`') => quote = Some(*c),
                (None, '(') => depth += 1,
                (None, ')') => depth = depth.saturating_sub(1),
                (Some(_) | None, _) => {}
            }
            quote.is_none() && depth == 0 && c.is_whitespace()
        });
        rest = end.map_or("", |(at, _)| rest[at..].trim_start());
    }
}

/// Statements end at `;`, in a shell at a line break too unless a backslash or an open quote carries on.
fn statements(code: &str, shell: bool) -> Vec<String> {
    let mut statements = vec![String::new()];
    let mut quote: Option<char> = None;
    let mut before = ' ';
    for c in code.chars() {
        let ends = match quote {
            Some(_) => false,
            None => c == ';' || (shell && c == '\n' && before != '\\'),
        };
        match quote {
            Some(open) if c == open => quote = None,
            None if shell && (c == '\'' || c == '"') && before != '\\' => quote = Some(c),
            Some(_) | None => {}
        }
        before = c;
        if ends {
            statements.push(String::new());
        } else if let Some(statement) = statements.last_mut() {
            statement.push(c);
        }
    }
    statements
}

/// Identifiers in lower case; hyphens inside them become underscores, so that `--run-id` is `run_id`.
fn words(statement: &str) -> Vec<String> {
    let split = statement.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'));
    let plain = split.map(|word| word.trim_matches(['-', '_']).replace('-', "_").to_lowercase());
    plain.filter(|word| !word.is_empty()).collect()
}

fn is_filler(word: &str) -> bool {
    matches!(
        word,
        "todo" | "tbd" | "tbc" | "fixme" | "begin" | "commit" | "rollback" | "end" | "transaction" | "work" | "start"
    )
}

/// `DROP TABLE …` and its like, wherever it stands in the statement: a shell may carry it in quotes.
fn tears_down(words: &[String]) -> bool {
    const OBJECTS: &[&str] =
        &["table", "schema", "database", "role", "owned", "user", "materialized", "view", "foreign"];
    let drops = words.windows(2).any(|pair| pair[0] == "drop" && OBJECTS.contains(&pair[1].as_str()));
    drops || words.iter().any(|word| matches!(word.as_str(), "truncate" | "dropdb" | "dropuser"))
}

/// A column, variable or option that names one cut: `run_id`, `:run_id`, `$RUN_ID`, `p_change_set_id`.
fn refers_to_one_cut(words: &[String]) -> bool {
    const IDS: &[&str] = &["run_id", "change_set_id", "changeset_id", "cut_id"];
    words
        .iter()
        .any(|word| IDS.iter().any(|id| word == id || word.strip_suffix(id).is_some_and(|start| start.ends_with('_'))))
}

/// Whether a statement changes data: a verb of SQL or of the shell that does, or a program, function or script that is
/// called after undoing something. What only looks, prints or tests does not, whatever words it prints.
fn changes(words: &[String]) -> bool {
    const LOOKS: &[&str] = &[
        "echo", "printf", "cat", "less", "grep", "ls", "export", "declare", "local", "read", "set", "explain", "show",
        "test", "if", "elif", "while", "until", "for", "case", "exit", "alter", "create", "grant", "revoke", "comment",
    ];
    const VERBS: &[&str] =
        &["delete", "update", "insert", "merge", "call", "rm", "unlink", "shred", "mv", "pg_restore"];
    const STEMS: &[&str] = &["revert", "rollback", "undo", "restor", "compensat", "delet", "remov", "purg"];
    if words.first().is_none_or(|first| LOOKS.contains(&first.as_str())) {
        return false;
    }
    // `SELECT … FOR UPDATE` and `SELECT … FROM …` read, whatever their tables are called.
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    let locks = words.windows(2).any(|pair| pair[0] == "for" && pair[1] == "update");
    let writes = words.iter().any(|word| VERBS.contains(&word.as_str()) && !(locks && word == "update"));
    let undoes = words.iter().any(|word| word.split('_').any(|part| STEMS.iter().any(|stem| part.starts_with(stem))));
    writes || (undoes && !(has("select") && has("from")))
}
