//! Databases that end with the process: what is written to them does not last.

use super::{Interp, State};
use crate::probes::code_path::state::Done;
use crate::probes::code_path::value::{Address, Arguments, Value};

impl Interp<'_> {
    /// A connection, or what leads to one, is made: `:memory:` and files without a name do not last, and neither
    /// does what is made of them.
    pub(super) fn made_of(
        &mut self,
        state: &mut State,
        id: Address,
        owner: Option<Address>,
        chain: &str,
        given: &Arguments,
    ) {
        let mut lasts = Done::Yes;
        let connects = matches!(
            chain.rsplit('.').next().unwrap_or(""),
            "connect" | "Connection" | "create_engine" | "create_async_engine" | "connect_async" | "Database"
        );
        let is_sqlite = chain.contains("sqlite");
        for value in given.values() {
            match value {
                Value::Text(text) if connects && is_volatile(text, is_sqlite) => lasts = Done::No,
                Value::Unseen(unseen) => {
                    if let Some(done) = state.effect.volatile.get(&unseen.root()) {
                        lasts = lasts.min(*done);
                    }
                }
                _ => {}
            }
        }
        if let Some(done) = owner.and_then(|owner| state.effect.volatile.get(&owner)) {
            lasts = lasts.min(*done);
        }
        if connects && lasts == Done::Yes {
            // Which database it is, is not seen; somewhere the tree names one that does not last.
            let first = given.positions.first().or_else(|| given.named("database"));
            let unknown = !matches!(first, Some(Value::Text(_)));
            if unknown && (is_sqlite || chain.contains("engine")) && self.tree.names_memory() {
                lasts = Done::Maybe;
            }
        }
        if lasts != Done::Yes {
            state.effect.volatile.insert(id, lasts);
        }
    }
}

/// Whether the name of a database says that it does not last.
fn is_volatile(name: &str, is_sqlite: bool) -> bool {
    name.contains(":memory:")
        || name.contains("mode=memory")
        || is_sqlite && name.is_empty()
        || matches!(name, "sqlite://" | "sqlite:///" | "sqlite+aiosqlite://" | "sqlite+pysqlite://")
}
