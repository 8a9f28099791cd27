//! Names of things in PostgreSQL, as a package writes them and as a statement quotes them.

/// A name with its parts: "schema.table", `"Schema"."Table"`. What stands without quotes is in lower case, as the server takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::probes) struct Name(pub Vec<String>);

impl Name {
    /// Takes a name of `parts` parts apart; `None` where it is none.
    pub fn parse(text: &str, parts: usize) -> Option<Self> {
        let mut found = Vec::new();
        let mut rest = text.trim();
        loop {
            let (part, after) = match rest.strip_prefix('"') {
                Some(inside) => quoted_part(inside)?,
                None => {
                    let end = rest.find('.').unwrap_or(rest.len());
                    (plain_part(&rest[..end])?, &rest[end..])
                }
            };
            found.push(part);
            match after.strip_prefix('.') {
                Some(next) => rest = next,
                None if after.is_empty() => break,
                None => return None,
            }
        }
        (found.len() == parts).then_some(Self(found))
    }

    /// The name as a statement holds it, every part in quotes.
    pub fn quoted(&self) -> String {
        self.0.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".")
    }

    /// The part of a number, as a text in a statement.
    pub fn literal(&self, part: usize) -> String {
        literal(&self.0[part])
    }
}

fn plain_part(text: &str) -> Option<String> {
    let first = text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    let sound = first && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$');
    sound.then(|| text.to_lowercase())
}

fn quoted_part(inside: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = inside;
    loop {
        let end = rest.find('"')?;
        part.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                part.push('"');
                rest = next;
            }
            None => return (!part.is_empty() && !part.contains('\0')).then_some((part, rest)),
        }
    }
}

/// "schema.name", or "schema.name(integer, text)".
pub(in crate::probes) fn function(text: &str) -> Option<(Name, Option<String>)> {
    let Some((name, arguments)) = text.split_once('(') else { return Some((Name::parse(text, 2)?, None)) };
    let arguments = arguments.strip_suffix(')')?;
    let arguments: Vec<&str> = arguments.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    Some((Name::parse(name, 2)?, Some(arguments.join(", "))))
}

/// An identifier in quotes.
pub(in crate::probes) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text constant. Sessions have standard_conforming_strings on, so that only the quote is special.
pub(in crate::probes) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_as_the_server_does() {
        for (text, parts) in [
            ("public.Target", vec!["public", "target"]),
            ("\"Odd.schema\".\"say \"\"hi\"\"\"", vec!["Odd.schema", "say \"hi\""]),
            ("cutter_governance.cut_change_set", vec!["cutter_governance", "cut_change_set"]),
        ] {
            assert_eq!(Name::parse(text, 2).map(|name| name.0), Some(parts.into_iter().map(str::to_owned).collect()));
        }
        for text in ["", "target", "a.b.c", "a..b", "a.", ".b", "1a.b", "a.b;", "\"a.b", "\"\".b", "\"a\"x.b", "a.b c"]
        {
            assert_eq!(Name::parse(text, 2), None, "{text}");
        }
    }

    #[test]
    fn what_is_quoted_stays_one_name_and_one_text() {
        let name = Name(vec!["a".to_owned(), "b\"; DROP".to_owned()]);
        assert_eq!(name.quoted(), "\"a\".\"b\"\"; DROP\"");
        assert_eq!(literal("it's"), "'it''s'");
    }
}
