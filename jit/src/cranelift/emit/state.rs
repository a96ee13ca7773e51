//! The guest's state: globals in variables, and their places in the vCPU block.

use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use ferrite_ir::slot;

use super::super::flow;
use super::{Emitter, Place, own};

impl Emitter<'_> {
    pub(super) fn load_slot(&mut self, ty: Type, slot: u16) -> Value {
        self.b.ins().load(ty, own(), self.cpu, i32::from(slot) * 8)
    }

    pub(super) fn store_slot(&mut self, slot: u16, value: Value) {
        self.b
            .ins()
            .store(own(), value, self.cpu, i32::from(slot) * 8);
    }

    /// Gives each global of the region a variable.
    pub(super) fn declare(&mut self) {
        let mut ints = self.flow.ints;
        for vector in self.flow.vectors.iter() {
            if self.flow.is_split(vector) {
                for half in [vector, vector + 1] {
                    ints.insert(half);
                    if self.flow.loaded.contains(vector) {
                        self.flow.loaded.insert(half);
                    }
                }
            } else {
                let variable = self.b.declare_var(types::I64X2);
                self.places[usize::from(vector)] = Some(Place::Vector(variable));
            }
        }
        if self.flow.flags {
            for slot in flow::FLAGS {
                ints.insert(slot);
                self.flow.loaded.insert(slot);
            }
        }
        for slot in ints.iter() {
            let variable = self.b.declare_var(types::I64);
            self.places[usize::from(slot)] = Some(Place::Int(variable));
        }
    }

    /// Gives the variables the values of the globals.
    pub(super) fn reload(&mut self) {
        for slot in self.flow.loaded.iter() {
            match self.places[usize::from(slot)] {
                Some(Place::Int(variable)) => {
                    let value = self.load_slot(types::I64, slot);
                    self.b.def_var(variable, value);
                }
                Some(Place::Vector(variable)) => {
                    let value = self.load_slot(types::I64X2, slot);
                    self.b.def_var(variable, value);
                }
                None => {}
            }
        }
    }

    /// Stores what has changed, and says where the guest is.
    pub(super) fn sync(&mut self) {
        self.store_dirty();
        if let Some(pc) = self.pc {
            let pc = self.constant(pc);
            self.store_slot(slot::PC, pc);
        }
    }

    pub(super) fn store_dirty(&mut self) {
        for slot in self.dirty.iter() {
            if let Some(Place::Int(variable) | Place::Vector(variable)) =
                self.places[usize::from(slot)]
            {
                let value = self.b.use_var(variable);
                self.store_slot(slot, value);
            }
        }
    }

    pub(super) fn get_kept(&mut self, slot: u16) -> Value {
        match self.places.get(usize::from(slot)) {
            Some(Some(Place::Int(variable))) => self.b.use_var(*variable),
            _ => self.load_slot(types::I64, slot),
        }
    }

    pub(super) fn set_kept(&mut self, slot: u16, value: Value) {
        match self.places.get(usize::from(slot)) {
            Some(Some(Place::Int(variable))) => {
                self.b.def_var(*variable, value);
                self.dirty.insert(slot);
            }
            _ => self.store_slot(slot, value),
        }
    }

    pub(super) fn get_vector(&mut self, slot: u16) -> Value {
        match self.places.get(usize::from(slot)) {
            Some(Some(Place::Vector(variable))) => self.b.use_var(*variable),
            Some(Some(Place::Int(_))) => {
                let (low, high) = (self.get_kept(slot), self.get_kept(slot + 1));
                self.join_halves(low, high)
            }
            _ => self.load_slot(types::I64X2, slot),
        }
    }

    pub(super) fn set_vector(&mut self, slot: u16, value: Value) {
        match self.places.get(usize::from(slot)) {
            Some(Some(Place::Vector(variable))) => {
                self.b.def_var(*variable, value);
                self.dirty.insert(slot);
            }
            Some(Some(Place::Int(_))) => {
                let low = self.b.ins().extractlane(value, 0);
                let high = self.b.ins().extractlane(value, 1);
                self.set_kept(slot, low);
                self.set_kept(slot + 1, high);
            }
            _ => self.store_slot(slot, value),
        }
    }

    pub(super) fn join_halves(&mut self, low: Value, high: Value) -> Value {
        let vector = self.b.ins().scalar_to_vector(types::I64X2, low);
        self.b.ins().insertlane(vector, high, 1)
    }
}
