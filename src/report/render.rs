//! Rendering templates over a dossier, and proving that no value changed the shape of a report.
//!
//! Every value is escaped unless a filter of ours made Markdown of it. The report is then rendered a second
//! time with every value replaced by `x`, both are parsed back, and their structure must be the same: what
//! a host says can fill a report but not forge a heading, a row or a link in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde::Serialize;
use tera::{Context, Kwargs, State, Tera, Value};

use super::facts::{Facts, MISSING};
use super::{escape, excerpt};

/// Templates by name, such as `08.md`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates(pub BTreeMap<String, String>);

static STOCK: include_dir::Dir = include_dir::include_dir!("$CARGO_MANIFEST_DIR/templates/reports");

impl Templates {
    /// The stock templates.
    pub fn stock() -> Self {
        let files = STOCK.files().filter_map(|file| {
            let name = file.path().file_name()?.to_str()?;
            Some((name.to_owned(), file.contents_utf8()?.to_owned()))
        });
        Self(files.collect())
    }
}

/// A report that cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The template is wrong.
    #[error("while rendering {name}: {reason}\ncorrect that file in the package's templates/")]
    Template {
        /// Its name.
        name: String,
        /// What the engine says.
        reason: String,
    },
    /// A value changed the structure.
    #[error(
        "template {name}: a value would change the structure of the report: {difference}\ncorrect templates/{name} of the package"
    )]
    Shape {
        /// The template's name.
        name: String,
        /// The first difference.
        difference: String,
    },
}

/// The templates, ready to render the reports of one dossier.
pub struct Renderer {
    real: Result<Tera, String>,
    neutral: Result<Tera, String>,
    context: Context,
}

impl Renderer {
    /// `facts` answers `fact(path="gate/probe.a.b")`. A template that is wrong is reported when a report is rendered.
    pub fn new(templates: &Templates, facts: &Arc<Facts>, dossier: &impl Serialize) -> Self {
        // By way of JSON, whose keys are sorted: what a template loops over comes in one order.
        let dossier =
            serde_json::to_value(dossier).expect("invariant: a dossier is made of text keys and plain values");
        let context = Context::from_serialize(&dossier).expect("invariant: a dossier has fields");
        // The templates are read once: what both engines differ in is asked for when a report is rendered.
        let real = engine(templates, facts).map_err(|error| error.to_string());
        let neutral = real.clone().map(|mut neutral| {
            quote(&mut neutral, Quoting::Neutral);
            neutral
        });
        Self { real, neutral, context }
    }

    /// Renders the template `name`, with `report` as the report's own part of the dossier.
    ///
    /// # Errors
    /// When a template is wrong, or when a value would change the report's structure.
    pub fn render(&self, name: &str, report: &impl Serialize) -> Result<String, RenderError> {
        let failed = |reason: String| RenderError::Template { name: name.to_owned(), reason };
        let mut context = self.context.clone();
        context.insert("report", report);
        let once = |engine: &Result<Tera, String>| {
            let engine = engine.as_ref().map_err(|reason| failed(reason.clone()))?;
            engine.render(name, &context).map_err(|error| failed(error.to_string()))
        };
        let real = once(&self.real)?;
        if let Some(difference) = difference(&real, &once(&self.neutral)?) {
            return Err(RenderError::Shape { name: name.to_owned(), difference });
        }
        // Control statements leave lines behind; runs of empty ones are one.
        Ok(tidy(&real))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quoting {
    Real,
    Neutral,
}

/// Sets how an engine shows values.
fn quote(tera: &mut Tera, quoting: Quoting) {
    match quoting {
        Quoting::Real => tera.set_escape_fn(|text, out| out.write_all(escape::markdown(text).as_bytes())),
        // What is empty is empty in both: an empty cell is a shape that a value may have.
        Quoting::Neutral => tera.set_escape_fn(|text, out| {
            out.write_all(if escape::markdown(text).trim().is_empty() { b"" } else { b"x" })
        }),
    }
    let code = move |value: &Value, in_table: bool| match quoting {
        Quoting::Real => escape::code(&said(value), in_table),
        Quoting::Neutral if said(value).is_empty() => escape::code("", in_table),
        Quoting::Neutral => "`x`".to_owned(),
    };
    tera.register_filter("code", move |value: Value, _: Kwargs, _: &State| Value::safe_string(&code(&value, false)));
    tera.register_filter("cell", move |value: Value, _: Kwargs, _: &State| Value::safe_string(&code(&value, true)));
    tera.register_filter("codes", move |value: Value, _: Kwargs, _: &State| {
        let items = value.as_array().unwrap_or_default().iter().map(|item| code(item, false));
        Value::safe_string(&items.collect::<Vec<_>>().join(", "))
    });
    tera.register_filter("excerpt", move |value: Value, _: Kwargs, _: &State| {
        let json = serde_json::to_value(&value).unwrap_or_default();
        let drawn = excerpt::draw(&excerpt::lines(&json));
        Value::safe_string(&match quoting {
            Quoting::Real => escape::block(&drawn),
            Quoting::Neutral => escape::block("x"),
        })
    });
}

/// An engine that shows values as they are.
fn engine(templates: &Templates, facts: &Arc<Facts>) -> tera::TeraResult<Tera> {
    let mut tera = Tera::new();
    tera.autoescape_on([".md"]);
    quote(&mut tera, Quoting::Real);
    tera.register_filter("said", |value: Value, _: Kwargs, _: &State| said(&value));
    // A list that is known in part without its holes; what could not be read is told beside it.
    tera.register_filter("read", |value: Value, _: Kwargs, _: &State| {
        let items = value.as_array().unwrap_or_default().iter();
        Value::from(items.filter(|item| missing_word(item).is_none()).cloned().collect::<Vec<_>>())
    });
    // The engine's own filters that declare a value to be safe would pass both renderings alike.
    for filter in ["safe", "escape", "escape_html", "escape_xml", "newlines_to_br"] {
        tera.register_filter(filter, move |_: Value, _: Kwargs, _: &State| -> tera::TeraResult<Value> {
            Err(tera::Error::message(format!(
                "the filter `{filter}` is not used in reports; values are always escaped"
            )))
        });
    }
    tera.register_test("known", |value: Value, _: Kwargs, _: &State| missing_word(&value).is_none());
    let facts = facts.clone();
    tera.register_function("fact", move |kwargs: Kwargs, _: &State| -> tera::TeraResult<Value> {
        let path: String = kwargs.must_get("path")?;
        Ok(Value::from_serializable(&facts.at(&path)))
    });
    tera.add_raw_templates(templates.0.iter().map(|(name, text)| (name.as_str(), text.as_str())))?;
    Ok(tera)
}

/// The word of a missing fact; `None` when the value is known.
fn missing_word(value: &Value) -> Option<String> {
    let map = value.as_map()?;
    map.get(&tera::value::Key::from(MISSING)).and_then(Value::as_str).map(str::to_owned)
}

/// A value as text: a missing one says why, a list is joined.
fn said(value: &Value) -> String {
    if let Some(word) = missing_word(value) {
        // That something is absent, or withheld on purpose, is known; everything else is not.
        return if matches!(word.as_str(), "absent" | "withheld") {
            format!("({word})")
        } else {
            format!("(unknown: {word})")
        };
    }
    match value.as_array() {
        Some([]) => "none".to_owned(),
        Some(items) => items.iter().map(said).collect::<Vec<_>>().join(", "),
        None => value.to_string(),
    }
}

/// The first place where two reports differ in structure.
fn difference(real: &str, neutral: &str) -> Option<String> {
    let (mut real, mut neutral) = (shape(real), shape(neutral));
    let word = |part: Option<Part<'_>>| part.map_or_else(|| "the end".to_owned(), |part| part.to_string());
    loop {
        match (real.next(), neutral.next()) {
            (None, None) => return None,
            (ours, other) if ours != other => return Some(format!("{} instead of {}", word(ours), word(other))),
            (_, _) => {}
        }
    }
}

/// A part of the structure of a Markdown text.
#[derive(Debug, PartialEq)]
enum Part<'a> {
    Start(Tag<'a>),
    End(TagEnd),
    Text,
    Other(&'static str),
}

impl std::fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start(tag) => write!(f, "start of {tag:?}"),
            Self::End(tag) => write!(f, "end of {tag:?}"),
            Self::Text => f.write_str("text"),
            Self::Other(word) => f.write_str(word),
        }
    }
}

/// The structure of a Markdown text: everything but the words.
fn shape(markdown: &str) -> impl Iterator<Item = Part<'_>> {
    let options = Options::all() - Options::ENABLE_SMART_PUNCTUATION;
    let parts = Parser::new_ext(markdown, options).map(|event| match event {
        Event::Start(tag) => Part::Start(tag),
        Event::End(tag) => Part::End(tag),
        Event::Text(_) => Part::Text,
        Event::Code(_) => Part::Other("code"),
        Event::Html(_) | Event::InlineHtml(_) => Part::Other("HTML"),
        Event::InlineMath(_) | Event::DisplayMath(_) => Part::Other("mathematics"),
        Event::FootnoteReference(_) => Part::Other("a footnote"),
        Event::SoftBreak => Part::Other("a line break"),
        Event::HardBreak => Part::Other("a hard break"),
        Event::Rule => Part::Other("a rule"),
        Event::TaskListMarker(_) => Part::Other("a task marker"),
    });
    // Escapes split a text into several events; together they are one.
    let mut in_text = false;
    parts.filter(move |part| {
        let was_in_text = std::mem::replace(&mut in_text, *part == Part::Text);
        !(was_in_text && in_text)
    })
}

fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = true;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() && empty {
            continue;
        }
        empty = line.is_empty();
        out.push_str(line);
        out.push('\n');
    }
    while out.ends_with("\n\n") {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{EVIDENCE_FORMAT, Evidence, Fact, Missing, MissingState, Observation, Process};

    /// Evidence of one gate `gate` with a probe `probe`: a fact `a`, a denied one, and one that is called `missing`.
    fn facts(a: &str) -> Facts {
        let now = "2026-05-21T10:00:00Z".parse().unwrap();
        let denied = Missing {
            state: MissingState::Denied,
            tried: "read".to_owned(),
            by: "me".to_owned(),
            said: "no".to_owned(),
            next: "ask".to_owned(),
        };
        let report = Fact::record([("missing", Fact::list([]))]);
        let facts = Fact::record([("a", a.into()), ("gone", denied.into()), ("report", report)]);
        let observation = Observation {
            kind: "host".to_owned(),
            settings: std::sync::Arc::default(),
            started: now,
            finished: now,
            facts,
            sources: Vec::new(),
        };
        let process = Process {
            stdin_closed: true,
            secrets_known: 0,
            recomputed: true,
            newest_before: None,
            requests_unread: None,
        };
        let evidence = Evidence {
            format: EVIDENCE_FORMAT.to_owned(),
            waivers: None,
            run: None,
            now,
            by: "me".to_owned(),
            process,
            probes: BTreeMap::new(),
            before: BTreeMap::new(),
            after: BTreeMap::from([("probe".to_owned(), observation)]),
        };
        Facts::of(&[], &Arc::new(evidence))
    }

    fn rendered(template: &str, value: &str) -> Result<String, RenderError> {
        let templates = Templates(BTreeMap::from([("t.md".to_owned(), template.to_owned())]));
        let dossier = serde_json::json!({ "v": value, "list": [value, value] });
        Renderer::new(&templates, &Arc::new(facts(value)), &dossier).render("t.md", &())
    }

    const TEMPLATE: &str = "# Head {{ v }}\n\n| a | b |\n|---|---|\n| {{ v }} | {{ v | cell }} |\n\n- {{ v }}: {{ v | code }}\n- {{ fact(path=\"after/probe.a\") }}\n\n{{ v }}\n\n{{ list | codes }}\n";

    #[test]
    fn hostile_values_fill_a_report_and_forge_nothing() {
        for value in [
            "x\n# Result: A",
            "x | y | z",
            "](https://evil)",
            "<script>",
            "```",
            "`` ` ``",
            "---",
            "\u{202e}A",
            "| a |\n|---|",
            "- x",
            "1. x",
            "> quote",
            "\x1b[2J",
            "&amp;",
            "![x](y)",
            "[x]: y",
            "    code",
            "\t code",
            "***",
            "===",
            "a\u{2028}b",
            "$x$",
            "[^1]",
            ": def",
        ] {
            let text = rendered(TEMPLATE, value).unwrap_or_else(|error| panic!("{value:?}: {error}"));
            assert_eq!(text.lines().filter(|line| line.starts_with('#')).count(), 1, "{value:?}: {text}");
        }
    }

    #[test]
    fn a_template_that_trusts_a_value_is_refused() {
        let error = rendered("# Head\n\n{{ v | safe }}\n", "x\n\n# Result: A").unwrap_err();
        assert!(error.to_string().contains("always escaped"), "{error}");
    }

    #[test]
    fn a_missing_fact_says_so() {
        let text =
            rendered("{{ fact(path=\"after/probe.gone.deeper\") | said }} {{ fact(path=\"no/where\") | code }}\n", "v");
        assert_eq!(text.unwrap(), "(unknown: denied) `(unknown: not collected)`\n");
        // A fact that is itself called `missing` is a fact like any other.
        let text = rendered("{{ fact(path=\"after/probe.report.missing\") | said }}\n", "v");
        assert_eq!(text.unwrap(), "none\n");
        let text = rendered("{% if fact(path=\"after/probe.gone\") is known %}yes{% else %}no{% endif %}", "v");
        assert_eq!(text.unwrap(), "no\n");
    }

    #[test]
    fn an_unknown_name_in_a_template_is_an_error() {
        assert!(matches!(rendered("{{ nothing }}", "v"), Err(RenderError::Template { .. })));
    }
}
