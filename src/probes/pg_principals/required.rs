//! Roles that must be there, against the roles that are.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::{ATTRIBUTES, Required};
use crate::evidence::{Fact, Missing};

/// What is known of roles.
pub(super) struct Expected<'a> {
    /// The fact `roles`.
    pub roles: &'a Fact,
    /// The fact `memberships`.
    pub memberships: &'a Fact,
}

impl Expected<'_> {
    /// What is so of one role.
    pub fn of(&self, role: &Required) -> Fact {
        let name = ("name", Fact::text(&role.name));
        let known = self.lists();
        let (roles, memberships) = match known {
            Ok(known) => known,
            Err(missing) => {
                let unknown = || Fact::from(missing.clone());
                let rest = ["exists", "lacks", "excess", "matches"].map(|field| (field, unknown()));
                return Fact::record(std::iter::once(name).chain(rest));
            }
        };
        let Some(own) = roles.get(role.name.as_str()) else {
            let none = || Fact::list([]);
            let rest = [("exists", false.into()), ("lacks", none()), ("excess", none()), ("matches", false.into())];
            return Fact::record(std::iter::once(name).chain(rest));
        };
        let lacks: Vec<&String> = role.required.iter().filter(|word| !holds(own, word)).collect();
        let reached = reached(&role.name, &memberships);
        let excess = role.forbidden.iter().flat_map(|word| {
            let by_set_role = ATTRIBUTES.iter().any(|(known, _, reach)| known == word && *reach);
            let others = reached.iter().filter(move |_| by_set_role);
            let others = others.filter(|other| roles.get(*other).is_some_and(|fact| holds(fact, word)));
            let own = holds(own, word).then(|| word.clone());
            own.into_iter().chain(others.map(move |other| format!("{word} as {other}")))
        });
        let excess: Vec<String> = excess.collect();
        let matches = lacks.is_empty() && excess.is_empty();
        Fact::record([
            name,
            ("exists", true.into()),
            ("lacks", Fact::texts(lacks)),
            ("excess", Fact::texts(excess)),
            ("matches", matches.into()),
        ])
    }

    /// Roles by name, and of each member what it was made a member of.
    #[allow(clippy::type_complexity, reason = "two maps that are used in one place")]
    fn lists(&self) -> Result<(BTreeMap<&str, &Fact>, BTreeMap<&str, Vec<&str>>), Missing> {
        let (roles, memberships) = (items(self.roles)?, items(self.memberships)?);
        let roles = roles.iter().filter_map(|role| Some((text(role, "name")?, role))).collect();
        let mut of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for membership in memberships {
            if let (Some(role), Some(member)) = (text(membership, "role"), text(membership, "member")) {
                of.entry(member).or_default().push(role);
            }
        }
        Ok((roles, of))
    }
}

fn items(list: &Fact) -> Result<&[Fact], Missing> {
    match list {
        Fact::List(items) => Ok(items),
        Fact::Missing(missing) => Err((**missing).clone()),
        Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::Map(_) => Ok(&[]),
    }
}

fn text<'a>(record: &'a Fact, field: &str) -> Option<&'a str> {
    match record.get(field) {
        Some(Fact::Text(text)) => Some(text),
        Some(_) | None => None,
    }
}

fn holds(role: &Fact, attribute: &str) -> bool {
    let field = ATTRIBUTES.iter().find(|(known, ..)| *known == attribute).map(|(_, field, _)| *field);
    field.and_then(|field| role.get(field)) == Some(&Fact::Bool(true))
}

/// Every other role that SET ROLE leads to, over any number of memberships.
fn reached<'a>(name: &'a str, of: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next = vec![name];
    while let Some(role) = next.pop() {
        let others = of.get(role).into_iter().flatten();
        next.extend(others.filter(|other| **other != name && reached.insert(**other)));
    }
    reached
}
