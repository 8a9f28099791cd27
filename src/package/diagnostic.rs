//! Problems in package and gate files: where, what, why, and what to do about it.
//!
//! A diagnostic is the user's file being wrong, never the host. Nothing here decides what is wrong; it
//! keeps what others found and renders it with file, line and caret. Text from the files is shown with
//! its control characters written out, so that a file cannot speak to the terminal.

use std::collections::BTreeMap;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

/// Whether a problem keeps the package from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is judged until it is put right.
    Error,
    /// The package can be used; something in it is most likely not meant.
    Warning,
}

impl Severity {
    /// The word that messages and formats use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Another place that a problem is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// The logical name of the file.
    pub file: String,
    /// The bytes meant.
    pub span: Range<usize>,
    /// What is there.
    pub label: String,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The logical name of the file: `cutgate.toml`, `gates/x.toml`, `stock/x.toml`.
    pub file: String,
    /// The bytes of the file that are wrong; `None` where the whole file is meant.
    pub span: Option<Range<usize>>,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// The reason, shown at the caret; may be empty.
    pub label: String,
    /// The other places it is about.
    pub related: Vec<Related>,
    /// How to put it right; may be empty.
    pub help: String,
}

impl Diagnostic {
    /// An error at `span` of `file`.
    pub fn error(file: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            span: Some(span),
            message: message.into(),
            label: String::new(),
            related: Vec::new(),
            help: String::new(),
        }
    }

    /// A warning at `span` of `file`.
    pub fn warning(file: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(file, span, message) }
    }

    /// An error about a whole file.
    pub fn whole_file(file: &str, message: impl Into<String>) -> Self {
        Self { span: None, ..Self::error(file, 0..0, message) }
    }

    /// The reason, for the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// How to put it right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Another place.
    #[must_use]
    pub fn related(mut self, file: &str, span: Range<usize>, label: impl Into<String>) -> Self {
        self.related.push(Related { file: file.to_owned(), span, label: label.into() });
        self
    }
}

/// A file's text and the name under which people find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownFile {
    /// The path as the user can open it.
    pub shown: String,
    /// The text; empty where it could not be read.
    pub text: String,
}

/// Problems, with the files that they point into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// Sorted: the package file first, then by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// By logical name.
    pub files: BTreeMap<String, ShownFile>,
}

impl Problems {
    /// Problems in the order of files and places, without repetitions.
    pub fn new(mut diagnostics: Vec<Diagnostic>, files: BTreeMap<String, ShownFile>) -> Self {
        diagnostics.sort_by_key(|d| {
            let start = d.span.as_ref().map_or(0, |span| span.start);
            (d.file.contains('/'), d.file.clone(), start, d.severity, d.message.clone())
        });
        diagnostics.dedup();
        Self { diagnostics, files }
    }

    /// How many of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == severity).count()
    }

    /// The line and column, from 1, of a diagnostic's first byte; the column counts characters.
    pub fn position(&self, diagnostic: &Diagnostic) -> Option<(usize, usize)> {
        let text = &self.files.get(&diagnostic.file)?.text;
        let before = text.get(..diagnostic.span.as_ref()?.start)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
    }

    /// Every problem as text, a blank line between them, and their number at the end.
    pub fn render(&self, colours: bool) -> String {
        let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for diagnostic in &self.diagnostics {
            text.push_str(&renderer.render(&[self.group(diagnostic)]));
            text.push_str("\n\n");
        }
        text.push_str(&self.tally());
        text.push('\n');
        text
    }

    /// "3 errors and 1 warning in 2 files".
    pub fn tally(&self) -> String {
        let counted = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        let files: std::collections::BTreeSet<_> = self.diagnostics.iter().map(|d| &d.file).collect();
        let kinds = [(self.count(Severity::Error), "error"), (self.count(Severity::Warning), "warning")];
        let kinds: Vec<_> = kinds.iter().filter(|(n, _)| *n > 0).map(|(n, word)| counted(*n, word)).collect();
        let kinds = if kinds.is_empty() { "no problems".to_owned() } else { kinds.join(" and ") };
        format!("{kinds} in {}", counted(files.len(), "file"))
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level.primary_title(legible(&diagnostic.message)).element(match &diagnostic.span {
            Some(span) => self.snippet(&diagnostic.file, span, &diagnostic.label, &diagnostic.related),
            None => Element::from(Origin::path(self.shown(&diagnostic.file))),
        });
        let mut elsewhere: BTreeMap<&str, Vec<&Related>> = BTreeMap::new();
        for related in diagnostic.related.iter().filter(|related| related.file != diagnostic.file) {
            elsewhere.entry(&related.file).or_default().push(related);
        }
        for (file, related) in elsewhere {
            let annotations = related
                .iter()
                .map(|r| AnnotationKind::Context.span(self.inside(file, &r.span)).label(legible(&r.label)));
            let snippet = Snippet::source(self.text(file)).path(self.shown(file)).annotations(annotations);
            group = group.element(snippet);
        }
        if !diagnostic.help.is_empty() {
            group = group.element(Level::HELP.message(legible(&diagnostic.help)));
        }
        group
    }

    fn snippet<'a>(&'a self, file: &str, span: &Range<usize>, label: &str, related: &[Related]) -> Element<'a> {
        let primary = AnnotationKind::Primary.span(self.inside(file, span));
        let primary = if label.is_empty() { primary } else { primary.label(legible(label)) };
        let context = related
            .iter()
            .filter(|r| r.file == file)
            .map(|r| AnnotationKind::Context.span(self.inside(file, &r.span)).label(legible(&r.label)));
        let snippet = Snippet::source(self.text(file)).path(self.shown(file)).annotation(primary);
        snippet.annotations(context).into()
    }

    fn text(&self, file: &str) -> &str {
        self.files.get(file).map_or("", |file| &file.text)
    }

    fn shown(&self, file: &str) -> String {
        self.files.get(file).map_or_else(|| legible(file), |file| legible(&file.shown))
    }

    /// A span that lies inside the text and on character boundaries, so that rendering cannot fail.
    fn inside(&self, file: &str, span: &Range<usize>) -> Range<usize> {
        let text = self.text(file);
        let start = text.floor_char_boundary(span.start);
        start..text.ceil_char_boundary(span.end).max(start)
    }
}

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

/// Control characters written out.
fn legible(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() });
    shown.collect()
}

/// The known name that a typo most likely means: same but for case, or at most a third of it mistyped.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let distance = |candidate: &str| strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
    let candidates = known.into_iter().map(|candidate| (distance(candidate), candidate));
    let allowed = (name.chars().count() / 3).max(1);
    candidates.filter(|(distance, _)| *distance <= allowed).min().map(|(_, candidate)| candidate)
}

/// "did you mean `x`?", or else all the known names.
pub fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "there is none to name".to_owned(),
        None => format!("known: {}", known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    }
}
