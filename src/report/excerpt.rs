//! Source lines with a caret under what is spoken of, as terminals and code blocks show them.

use serde_json::Value as Json;

use super::escape::terminal;

/// A line of source with what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked<'a> {
    /// `path:line:column`, both from 1, the column in characters.
    pub place: &'a str,
    /// The line's text.
    pub line: &'a str,
    /// What is at the column.
    pub label: &'a str,
}

/// The lines of a fact `excerpt`: a list of records with `place`, `line`, `label`. What is no such record is
/// left out.
pub fn lines(excerpt: &Json) -> Vec<Marked<'_>> {
    let text = |item: &'_ Json, key: &str| item.get(key).and_then(Json::as_str).is_some();
    let items = excerpt.as_array().map(Vec::as_slice).unwrap_or_default();
    let whole = items.iter().filter(|item| ["place", "line", "label"].iter().all(|key| text(item, key)));
    whole
        .map(|item| {
            let text = |key: &str| item[key].as_str().unwrap_or_default();
            Marked { place: text("place"), line: text("line"), label: text("label") }
        })
        .collect()
}

/// Draws lines with carets. A file's name is written where it changes; labels of one place share a line.
pub fn draw(lines: &[Marked<'_>]) -> String {
    let split: Vec<_> = lines.iter().map(|marked| (parts(marked.place), marked)).collect();
    let width = split.iter().map(|((_, line, _), _)| line.len()).max().unwrap_or(0).max(3);
    let mut out = String::new();
    let (mut file, mut number) = (None, None);
    for ((path, line, column), marked) in &split {
        if file != Some(path) {
            out.push_str(&terminal(path));
            out.push('\n');
            (file, number) = (Some(path), None);
        }
        // Leading tabs would put the caret elsewhere on every terminal.
        let shown = |text: &str| terminal(&text.replace('\t', "    "));
        if number != Some(line) {
            out.push_str(&format!("  {line:>width$} | {}\n", shown(marked.line).trim_end()));
            number = Some(line);
        }
        let before: String = marked.line.chars().take(column.saturating_sub(1)).collect();
        let indent = " ".repeat(shown(&before).chars().count());
        out.push_str(&format!("  {:>width$} | {indent}^ {}\n", "", terminal(marked.label)));
    }
    out
}

/// Path, line and column of a place.
fn parts(place: &str) -> (&str, &str, usize) {
    let mut parts = place.rsplitn(3, ':');
    let (column, line, path) = (parts.next(), parts.next(), parts.next());
    match (path, line, column.and_then(|column| column.parse().ok())) {
        (Some(path), Some(line), Some(column)) => (path, line, column),
        (_, _, _) => (place, "", 1),
    }
}

/// What the probe `code-path` says of each phase: the three answers, the lines, the calls that lead to a write
/// or a simulator, and what could not be decided. `facts` is as [`super::facts`] gives them.
pub fn phases(facts: &Json) -> String {
    let word = |item: &Json, key: &str| terminal(item[key].as_str().unwrap_or("unknown"));
    let mut out = String::new();
    for phase in facts["phases"].as_array().into_iter().flatten() {
        out.push_str(&format!(
            "phase {}: live write {}, simulator reachable {}, guarded {}\n",
            word(phase, "name"),
            word(phase, "live_write"),
            word(phase, "simulator_reachable"),
            word(phase, "guarded")
        ));
        out.push_str(&format!("  {}\n", word(phase, "summary")));
        let drawn = draw(&lines(&phase["excerpt"]));
        drawn.lines().for_each(|line| out.push_str(&format!("    {line}\n")));
        for (key, what) in [("simulators", "simulator"), ("writes", "write")] {
            for call in phase[key].as_array().into_iter().flatten() {
                let chain = call["chain"].as_array().into_iter().flatten().filter_map(Json::as_str);
                let chain: Vec<_> = chain.map(terminal).collect();
                let by = if chain.is_empty() { String::new() } else { format!(", by {}", chain.join(" → ")) };
                out.push_str(&format!("    {what}: {} at {}{by}\n", word(call, "call"), word(call, "place")));
            }
        }
        for block in phase["blocked_by"].as_array().into_iter().flatten() {
            let place = block["place"].as_str().unwrap_or_default();
            let at = if place.is_empty() { String::new() } else { format!(" at {}", terminal(place)) };
            out.push_str(&format!("    not decided: {}{at}\n", word(block, "reason")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_its_column() {
        let marked = [
            Marked { place: "a/b.py:9:12", line: "    x = 1; é.simulate()", label: "simulator" },
            Marked { place: "a/b.py:9:5", line: "    x = 1; é.simulate()", label: "entry" },
            Marked { place: "c.py:120:2", line: "\ty\x1b[2J", label: "write" },
        ];
        let drawn = draw(&marked);
        let expected = "a/b.py\n    9 |     x = 1; é.simulate()\n      |            ^ simulator\n      |     ^ entry\nc.py\n  120 |     y⟨U+001B⟩[2J\n      |     ^ write\n";
        assert_eq!(drawn, expected);
    }

    #[test]
    fn a_place_without_numbers_is_shown_whole() {
        assert_eq!(draw(&[Marked { place: "gone", line: "x", label: "y" }]), "gone\n      | x\n      | ^ y\n");
    }
}
