//! The structure of a runbook: headings, the code blocks below each, and which phase a section reverts.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::commands::Commands;
use crate::probes::front_matter;

/// What one runbook says.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The front matter's title, else the first heading, else the file's name.
    pub title: String,
    /// Phases with a revert section that has a command for one cut, in the order asked for.
    pub phases: Vec<String>,
    /// Statements anywhere in its code that drop or truncate.
    pub teardown_statements: usize,
    /// For each phase that is named in a heading and not covered, what its section lacks.
    pub notes: Vec<(String, String)>,
}

/// A heading at the top level of the document, not in a quotation or list.
struct Heading {
    level: HeadingLevel,
    text: String,
    /// The code blocks between this heading and the next one of any level.
    commands: Commands,
}

/// Reads a runbook's structure and looks for the sections that revert `phases`.
pub fn read(path: &str, text: &str, phases: &[&str]) -> Reading {
    // A front matter that cannot be parsed is not part of the body either way; the text is judged as it is.
    let (title, body) = match front_matter::split(text) {
        Ok(parts) => (parts.fields.as_ref().and_then(|fields| fields.text("title")), parts.body),
        Err(_) => (None, text),
    };
    let (headings, before) = headings(body);
    let first = headings.iter().map(|heading| heading.text.trim()).find(|text| !text.is_empty());
    let title = title.filter(|title| !title.is_empty()).or_else(|| first.map(str::to_owned));
    let title = title.unwrap_or_else(|| path.rsplit('/').next().unwrap_or(path).to_owned());
    let mut reading = Reading {
        teardown_statements: before.teardown + headings.iter().map(|heading| heading.commands.teardown).sum::<usize>(),
        title,
        ..Reading::default()
    };
    for phase in phases {
        match judge(&headings, &reading.title, phase) {
            Section::Reverts => reading.phases.push((*phase).to_owned()),
            Section::Lacks(what) => reading.notes.push(((*phase).to_owned(), what.to_owned())),
            Section::NoHeading => {}
        }
    }
    reading
}

/// What the sections of one phase come to.
enum Section {
    /// One of them reverts the phase for one cut.
    Reverts,
    /// A heading names the phase, and its section lacks this.
    Lacks(&'static str),
    /// No heading names it.
    NoHeading,
}

fn judge(headings: &[Heading], title: &str, phase: &str) -> Section {
    let mut best = Section::NoHeading;
    for (i, heading) in headings.iter().enumerate().filter(|(_, heading)| names(&heading.text, phase)) {
        let section = &headings[span(headings, i)];
        let sum = |count: fn(&Commands) -> usize| section.iter().map(|heading| count(&heading.commands)).sum::<usize>();
        let (per_cut, teardown, other) = (sum(|it| it.per_cut), sum(|it| it.teardown), sum(|it| it.other));
        let lacks = if !speaks_of_revert(title)
            && !ancestors(headings, i).chain([heading]).any(|it| speaks_of_revert(&it.text))
        {
            "no heading above it speaks of reverting"
        } else if per_cut > 0 {
            return Section::Reverts;
        } else if teardown > 0 {
            "its section only drops or truncates"
        } else if other > 0 {
            "no command of its section changes one cut"
        } else {
            "its section has no command"
        };
        best = Section::Lacks(lacks);
    }
    best
}

/// The section of heading `i`: up to the next heading of the same or a higher level.
fn span(headings: &[Heading], i: usize) -> Range<usize> {
    let after = headings[i + 1..].iter().position(|next| next.level <= headings[i].level);
    i..after.map_or(headings.len(), |n| i + 1 + n)
}

/// The headings under which heading `i` stands.
fn ancestors(headings: &[Heading], i: usize) -> impl Iterator<Item = &Heading> {
    let mut level = headings[i].level;
    headings[..i].iter().rev().filter(move |heading| {
        let above = heading.level < level;
        if above {
            level = heading.level;
        }
        above
    })
}

/// Whether a character belongs to a phase's name.
pub fn is_name_character(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// Whether a heading has the phase's exact name as a word.
fn names(heading: &str, phase: &str) -> bool {
    heading.split(|c: char| !is_name_character(c)).any(|word| word == phase)
}

/// Whether a heading speaks of undoing something.
fn speaks_of_revert(heading: &str) -> bool {
    const STEMS: &[&str] = &["revert", "rollback", "undo", "undoing", "restor", "compensat", "reversal", "reversing"];
    let lower = heading.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphanumeric());
    words.any(|word| STEMS.iter().any(|stem| word.starts_with(stem)))
        || ["roll back", "rolling back", "roll-back", "hoàn tác", "khôi phục", "đảo ngược"]
            .iter()
            .any(|it| lower.contains(it))
}

/// The top-level headings with the commands below each, and the commands before the first.
fn headings(body: &str) -> (Vec<Heading>, Commands) {
    let mut found: Vec<Heading> = Vec::new();
    let mut before = Commands::default();
    let mut heading: Option<Heading> = None;
    let mut code: Option<(String, String)> = None;
    let (mut quoted, mut listed, mut struck) = (0_usize, 0_usize, 0_usize);
    for event in Parser::new_ext(body, Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH)) {
        match event {
            Event::Start(Tag::BlockQuote(_)) => quoted += 1,
            Event::End(TagEnd::BlockQuote(_)) => quoted = quoted.saturating_sub(1),
            Event::Start(Tag::List(_)) => listed += 1,
            Event::End(TagEnd::List(_)) => listed = listed.saturating_sub(1),
            Event::Start(Tag::Strikethrough) => struck += 1,
            Event::End(TagEnd::Strikethrough) => struck = struck.saturating_sub(1),
            Event::Start(Tag::Heading { level, .. }) if quoted == 0 && listed == 0 => {
                heading = Some(Heading { level, text: String::new(), commands: Commands::default() });
            }
            Event::End(TagEnd::Heading(_)) => found.extend(heading.take()),
            Event::Start(Tag::CodeBlock(kind)) if quoted == 0 => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                code = Some((info, String::new()));
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some((info, text)) = code.take() {
                    let commands = Commands::of(&info, &text);
                    let total = found.last_mut().map_or(&mut before, |heading| &mut heading.commands);
                    total.teardown += commands.teardown;
                    total.per_cut += commands.per_cut;
                    total.other += commands.other;
                }
            }
            Event::Text(text) => match (&mut code, &mut heading) {
                (Some((_, code)), _) => code.push_str(&text),
                (None, Some(heading)) if struck == 0 => heading.text.push_str(&text),
                (None, _) => {}
            },
            Event::Code(text) if struck == 0 => {
                if let Some(heading) = &mut heading {
                    heading.text.push_str(&text);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some(heading) = &mut heading {
                    heading.text.push(' ');
                }
            }
            // HTML, comments among it, prose, tables and everything else hold no commands.
            Event::Start(_)
            | Event::End(_)
            | Event::Code(_)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::Rule
            | Event::TaskListMarker(_) => {}
        }
    }
    (found, before)
}
