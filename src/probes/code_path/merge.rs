//! Merging of paths: one state that stands for two, in which what differs is one of both.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::model::Name;
use super::state::{State, Variable};
use super::value::{Address, Cell, ClassId, Value};

impl State {
    /// The objects of classes of the tree that were made or met, with their classes.
    pub fn instances(&self) -> impl Iterator<Item = (Address, ClassId)> {
        let all = self.base.heap.iter().filter(|(address, _)| !self.heap.contains_key(address)).chain(self.heap.iter());
        all.filter_map(|(address, cell)| match &**cell {
            Cell::Instance { class, .. } => Some((*address, *class)),
            Cell::Scope { .. } | Cell::List(_) | Cell::Table(_) | Cell::Seen(_) => None,
        })
    }

    /// Forgets the facts that `earlier` did not have: the same places of the code are passed again.
    pub fn keep_facts_of(&mut self, earlier: &State) {
        let kept = self.facts.iter().filter(|(key, value)| earlier.facts.get(key) == Some(value));
        self.facts = Rc::new(kept.map(|(key, value)| (*key, *value)).collect());
    }

    /// Whether this state and `other` may be joined: they did the same and go on in the same place.
    pub fn is_alike(&self, other: &State) -> bool {
        self.effect == other.effect
            && self.carried == other.carried
            && self.left == other.left
            && self.tasks == other.tasks
    }

    /// Instances whose initialiser was followed in `other` and not here.
    pub fn unfilled(&self, other: &State) -> Vec<Address> {
        let filled = |cell: Option<&Cell>| match cell {
            Some(Cell::Instance { filled, .. }) => Some(*filled),
            Some(Cell::Scope { .. } | Cell::List(_) | Cell::Table(_) | Cell::Seen(_)) | None => None,
        };
        let theirs = other.heap.keys().copied();
        theirs
            .filter(|address| filled(self.cell(*address)) == Some(false) && filled(other.cell(*address)) == Some(true))
            .collect()
    }

    /// One state that stands for both: what differs becomes one of both. They must be alike.
    pub fn join(&self, other: &State, lost: &mut dyn FnMut() -> Value) -> State {
        let mut heap = (*self.heap).clone();
        let addresses: BTreeSet<Address> = self.heap.keys().chain(other.heap.keys()).copied().collect();
        for address in addresses {
            let (ours, theirs) = (self.cell(address), other.cell(address));
            match (ours, theirs) {
                (Some(ours), Some(theirs)) if ours != theirs => {
                    heap.insert(address, Rc::new(join_cells(address, ours, theirs, lost)));
                }
                (None, Some(theirs)) => {
                    heap.insert(address, Rc::new(theirs.clone()));
                }
                (Some(_), Some(_) | None) | (None, None) => {}
            }
        }
        let mut globals = (*self.globals).clone();
        let keys: BTreeSet<&Variable> = self.globals.keys().chain(other.globals.keys()).collect();
        for key in keys {
            let [ours, theirs] =
                [self, other].map(|state| state.global(key.0, &key.1).cloned().unwrap_or(Value::Unbound));
            let joined = if ours == theirs { ours } else { Value::merged(ours, theirs, lost) };
            globals.insert(key.clone(), joined);
        }
        let facts = self.facts.iter().filter(|(key, value)| other.facts.get(key) == Some(value));
        let facts = Rc::new(facts.map(|(key, value)| (*key, *value)).collect());
        State {
            base: self.base.clone(),
            heap: Rc::new(heap),
            globals: Rc::new(globals),
            facts,
            effect: self.effect.clone(),
            carried: self.carried.clone(),
            left: self.left.clone(),
            tasks: self.tasks.clone(),
            shared: if self.shared == other.shared {
                self.shared.clone()
            } else {
                Rc::new(self.shared.union(&other.shared).copied().collect())
            },
        }
    }
}

fn join_maps(
    ours: &BTreeMap<Name, Value>,
    theirs: &BTreeMap<Name, Value>,
    lost: &mut dyn FnMut() -> Value,
) -> BTreeMap<Name, Value> {
    let names: BTreeSet<&Name> = ours.keys().chain(theirs.keys()).collect();
    let pick = |map: &BTreeMap<Name, Value>, name: &Name| map.get(name).cloned().unwrap_or(Value::Unbound);
    names.into_iter().map(|name| (name.clone(), Value::merged(pick(ours, name), pick(theirs, name), lost))).collect()
}

fn join_cells(address: Address, ours: &Cell, theirs: &Cell, lost: &mut dyn FnMut() -> Value) -> Cell {
    match (ours, theirs) {
        (
            Cell::Instance { class, fields, fresh, filled },
            Cell::Instance { fields: other, fresh: other_fresh, filled: other_filled, .. },
        ) => {
            let fields = if filled == other_filled {
                join_maps(fields, other, lost)
            } else {
                // The initialiser was followed on one path only, whose tests have narrowed what it left.
                let known = if *filled { fields } else { other };
                let mut widened = BTreeMap::new();
                for (name, value) in known {
                    let both = [value.clone(), lost()];
                    widened.insert(name.clone(), Value::one_of(both, &mut *lost));
                }
                widened
            };
            Cell::Instance { class: *class, fields, fresh: *fresh && *other_fresh, filled: *filled || *other_filled }
        }
        (Cell::Scope { names, outer }, Cell::Scope { names: other, .. }) => {
            Cell::Scope { names: join_maps(names, other, lost), outer: *outer }
        }
        (Cell::Seen(ours), Cell::Seen(theirs)) => {
            let names: BTreeSet<&Name> = ours.keys().chain(theirs.keys()).collect();
            let mut join = |name: &Name| {
                let (mine, other) = (ours.get(name), theirs.get(name));
                let value = match (mine, other) {
                    (Some(mine), Some(other)) => Value::merged(mine.clone(), other.clone(), lost),
                    // What one path has only looked at was there on the other too; what it has put there was not.
                    (Some(_), None) | (None, Some(_)) if &**name == "[]" => Value::Unbound,
                    (Some(one), None) | (None, Some(one)) if is_looked_at(address, name, one) => one.clone(),
                    (Some(one), None) | (None, Some(one)) => Value::one_of([one.clone(), lost()], &mut *lost),
                    (None, None) => lost(),
                };
                (name.clone(), value)
            };
            Cell::Seen(names.into_iter().map(&mut join).collect())
        }
        // Collections whose elements differ between the paths have no known elements any more.
        (Cell::List(_) | Cell::Table(_) | Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_), _) => {
            let holds_calls = |cell: &Cell| match cell {
                Cell::List(items) => items.iter().any(|item| matches!(item, Value::Suspended(_))),
                Cell::Table(entries) => entries.iter().any(|(_, item)| matches!(item, Value::Suspended(_))),
                Cell::Seen(fields) => fields.contains_key("[]"),
                Cell::Instance { .. } | Cell::Scope { .. } => false,
            };
            let lost = (holds_calls(ours) || holds_calls(theirs)).then(|| ("[]".into(), Value::Unbound));
            Cell::Seen(lost.into_iter().collect())
        }
    }
}

/// Whether a value is what reading the attribute gave, and not something that was put there.
pub(super) fn is_looked_at(of: Address, name: &Name, value: &Value) -> bool {
    match value {
        Value::Unseen(unseen) => unseen.owner == Some(of) && unseen.chain.rsplit('.').next() == Some(&**name),
        _ => false,
    }
}
