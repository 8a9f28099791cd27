//! What a phase needs of the interpreter to begin a run: arguments, receivers, pinned attributes.

use std::rc::Rc;

use super::{Evaled, Interp, State};
use crate::probes::code_path::model::{Function, Name};
use crate::probes::code_path::value::{Address, Arguments, ClassId, Closure, ClosureKind, ModuleId, Spot, Value};

impl Interp<'_> {
    /// An instance that an entry is called on.
    pub fn receiver(&mut self, state: &mut State, class: ClassId) -> Value {
        self.earlier_instance(state, class)
    }

    /// Arguments of the declared types for an entry, by position where Python allows it.
    pub fn entry_arguments(
        &mut self,
        state: &mut State,
        function: &Rc<Function>,
        module: ModuleId,
        receiver: Option<Value>,
    ) -> Arguments {
        let closure = Closure {
            function: function.clone(),
            module,
            scope: None,
            class: None,
            name: function.name.clone(),
            defaults: vec![None; function.parameters.len()],
            kind: ClosureKind::Plain,
            veiled: None,
        };
        let closure = self.with_plain_defaults(closure);
        let arguments = self.any_arguments(state, &closure, receiver);
        self.by_position(function, arguments)
    }

    fn with_plain_defaults(&mut self, closure: Closure) -> Closure {
        use crate::probes::code_path::model::ExprKind;
        let defaults = closure
            .function
            .parameters
            .iter()
            .map(|parameter| {
                parameter.default.as_ref().map(|default| match &default.kind {
                    ExprKind::Const(constant) => self.constant(constant),
                    _ => self.data(&parameter.name),
                })
            })
            .collect();
        Closure { defaults, ..closure }
    }

    fn by_position(&mut self, function: &Function, arguments: Arguments) -> Arguments {
        use crate::probes::code_path::model::ParameterKind;
        let mut all = Arguments { positions: arguments.positions, open: arguments.open, ..Arguments::default() };
        for (name, value) in arguments.names {
            let either = function
                .parameters
                .iter()
                .any(|parameter| parameter.name == name && parameter.kind == ParameterKind::Either);
            if either { all.positions.push(value) } else { all.names.push((name, value)) }
        }
        all
    }

    /// Does something without leaving marks in the log.
    pub fn quietly<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        self.quiet += 1;
        let result = work(self);
        self.quiet -= 1;
        result
    }

    /// Reads an attribute.
    pub fn read_attribute(&mut self, state: State, object: &Value, name: &Name, spot: Spot) -> Evaled {
        self.attribute(state, object, name, spot)
    }

    /// Follows the initialiser of an instance, if that was not done yet.
    pub fn fill_instance(&mut self, state: &mut State, address: Address) {
        self.fill(state, address);
    }

    /// Sets an attribute of an instance.
    pub fn put_field(&mut self, state: &mut State, address: Address, name: &Name, value: Value) {
        self.set_field(state, address, name, value);
    }

    /// Sets an attribute of something unseen.
    pub fn put_seen(&mut self, state: &mut State, of: Address, name: &Name, value: Value) {
        self.remember(state, of, name, value);
    }

    /// The entry gave nothing that can be driven as described.
    pub fn not_driven(&mut self, state: &mut State, spot: Spot) {
        self.unseen_code(state, "the entry gives nothing that can be driven as described", spot);
    }
}
