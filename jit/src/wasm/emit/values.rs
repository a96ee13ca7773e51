//! Where values and globals are.

use ferrite_ir::{Global, Int, Op, Region, Value, VecGlobal, Vector, slot};
use wasm_encoder::{InstructionSink, MemArg, ValType};

use super::super::cfg::Slots;
use super::super::plan::Place;
use super::{BLOCK, Emitter, PARAMETERS};

/// The function's locals.
pub(super) struct Locals {
    types: Vec<ValType>,
    free: Vec<u32>,
    /// Locals of values, with the last operation that reads them.
    owned: Vec<(u32, u32)>,
    /// Locals used within the present operation.
    temporary: Vec<u32>,
    /// By slot: the local of a global; 0 if it has none.
    globals: [u32; slot::FIRST_TEMP as usize],
    /// Slots that are accessed as numbers and as parts of vectors: they stay in memory.
    mixed: Slots,
    /// First slots of those that are accessed as vectors.
    vectors: Slots,
}

impl Locals {
    pub(super) fn new(region: &Region) -> Self {
        let (mut ints, mut vectors) = (Slots::default(), Slots::default());
        let mut firsts = Slots::default();
        for op in region.blocks.iter().flat_map(|block| &block.ops) {
            match *op {
                Op::Get { from: g, .. } | Op::Set { to: g, .. } => ints.insert(g.0),
                Op::GetVec { from: g, .. } | Op::SetVec { to: g, .. } => {
                    firsts.insert(g.0);
                    vectors.insert(g.0);
                    vectors.insert(g.0 + 1);
                }
                _ => {}
            }
        }
        let mut mixed = Slots::default();
        for slot in ints.intersection(vectors).iter() {
            mixed.insert(slot & !1);
            mixed.insert(slot | 1);
        }
        Self {
            types: Vec::new(),
            free: Vec::new(),
            owned: Vec::new(),
            temporary: Vec::new(),
            globals: [0; slot::FIRST_TEMP as usize],
            mixed,
            vectors: firsts,
        }
    }

    /// The types of the locals after the parameters.
    pub(super) fn types(self) -> Vec<ValType> {
        self.types
    }

    fn take(&mut self, ty: ValType) -> u32 {
        let types = &self.types;
        let found = self
            .free
            .iter()
            .rposition(|&n| types[(n - PARAMETERS) as usize] == ty);
        match found {
            Some(at) => self.free.swap_remove(at),
            None => self.fixed(ty),
        }
    }

    /// A local for the whole function.
    pub(super) fn fixed(&mut self, ty: ValType) -> u32 {
        self.types.push(ty);
        PARAMETERS + self.types.len() as u32 - 1
    }

    /// A local for the present operation.
    pub(super) fn temporary(&mut self, ty: ValType) -> u32 {
        let local = self.take(ty);
        self.temporary.push(local);
        local
    }

    fn own(&mut self, ty: ValType, last: u32) -> u32 {
        let local = self.take(ty);
        self.owned.push((last, local));
        local
    }

    /// Lets go of what nothing after operation `at` reads.
    pub(super) fn end_operation(&mut self, at: u32) {
        let free = &mut self.free;
        free.append(&mut self.temporary);
        self.owned.retain(|&(last, local)| {
            if last <= at {
                free.push(local);
            }
            last > at
        });
    }

    /// Whether a slot's global may be kept in a local.
    fn may_keep(&self, slot: u16) -> bool {
        (slot::FIRST_GUEST..slot::FIRST_TEMP).contains(&slot) && !self.mixed.contains(slot)
    }

    /// Those of globals that may be kept.
    pub(super) fn keepable(&self, slots: Slots) -> Slots {
        let mut kept = Slots::default();
        for slot in slots.iter().filter(|&slot| self.may_keep(slot)) {
            kept.insert(slot);
        }
        kept
    }

    fn global(&mut self, slot: u16, ty: ValType) -> u32 {
        let known = self.globals[usize::from(slot)];
        if known != 0 {
            return known;
        }
        let local = self.fixed(ty);
        self.globals[usize::from(slot)] = local;
        local
    }
}

/// The address of a slot from that of the vCPU block.
pub(super) const fn slot_at(slot: u16) -> MemArg {
    MemArg {
        offset: 8 * slot as u64,
        align: 3,
        memory_index: 0,
    }
}

impl Emitter<'_> {
    /// Pops a word into a slot; the block's address was pushed before it.
    pub(super) fn store_slot(&mut self, slot: u16) {
        self.code().i64_store(slot_at(slot));
    }

    /// Pushes a slot.
    pub(super) fn load_slot(&mut self, slot: u16) {
        self.code().local_get(BLOCK).i64_load(slot_at(slot));
    }

    pub(super) fn constant(&self, a: Int) -> Option<u64> {
        self.plan.int(a).constant
    }

    /// Pushes a number.
    pub(super) fn int(&mut self, a: Int) {
        let value = *self.plan.int(a);
        if let Some(constant) = value.constant {
            self.code().i64_const(constant as i64);
            return;
        }
        match value.place {
            Place::Own(local) | Place::Shared(local) => {
                self.code().local_get(local);
            }
            Place::Nowhere => match self.ops.get(value.def as usize) {
                Some(op) if value.deferred => self.deferred(value.def, op),
                _ => {
                    self.code().i64_const(0);
                }
            },
        }
    }

    /// Computes a deferred operation, as of where it is in the block.
    fn deferred(&mut self, def: u32, op: &Op) {
        let at = std::mem::replace(&mut self.at, def);
        self.compute(op);
        self.at = at;
    }

    /// The operation that is still to be done for a value.
    pub(super) fn waiting(&self, a: Int) -> Option<(u32, &'_ Op)> {
        let value = self.plan.int(a);
        let op = self.ops.get(value.def as usize)?;
        value.deferred.then_some((value.def, op))
    }

    /// Pushes the low half of a number.
    pub(super) fn low(&mut self, a: Int) {
        if let Some(constant) = self.constant(a) {
            self.code().i32_const(constant as i32);
            return;
        }
        let value = *self.plan.int(a);
        if let Some(op) = self.ops.get(value.def as usize)
            && value.deferred
        {
            let at = std::mem::replace(&mut self.at, value.def);
            let narrow = self.compute_low(op);
            if !narrow {
                self.compute(op);
            }
            self.at = at;
            if narrow {
                return;
            }
        } else {
            self.int(a);
        }
        self.code().i32_wrap_i64();
    }

    /// A local with a number, for the present operation.
    pub(super) fn in_local(&mut self, a: Int) -> u32 {
        match self.plan.int(a).place {
            Place::Own(local) | Place::Shared(local) => local,
            Place::Nowhere => {
                self.int(a);
                let local = self.locals.temporary(ValType::I64);
                self.code().local_set(local);
                local
            }
        }
    }

    /// Pops what a value is.
    pub(super) fn define(&mut self, v: Value, ty: ValType) {
        let value = self.plan.value(v);
        if value.uses == 0 {
            self.code().drop();
            return;
        }
        let last = value.last;
        let local = self.locals.own(ty, last);
        self.plan.value_mut(v).place = Place::Own(local);
        self.code().local_set(local);
    }

    pub(super) fn get(&mut self, d: Int, from: Global) {
        self.get_global(Value::Int(d), from.0, ValType::I64);
    }

    pub(super) fn get_vector(&mut self, d: Vector, from: VecGlobal) {
        self.get_global(Value::Vector(d), from.0, ValType::V128);
    }

    fn get_global(&mut self, d: Value, slot: u16, ty: ValType) {
        if !self.locals.may_keep(slot) {
            self.push_global(slot, ty);
            return self.define(d, ty);
        }
        let local = self.load_global(slot, ty);
        self.plan.value_mut(d).place = Place::Shared(local);
        self.sharers.push((local, d));
    }

    fn push_global(&mut self, slot: u16, ty: ValType) {
        if ty == ValType::V128 {
            self.code().local_get(BLOCK).v128_load(slot_at(slot));
        } else {
            self.load_slot(slot);
        }
    }

    /// The local of a global, with its value.
    fn load_global(&mut self, slot: u16, ty: ValType) -> u32 {
        let local = self.locals.global(slot, ty);
        if !self.loaded.contains(slot) {
            self.move_away(local, ty);
            self.push_global(slot, ty);
            self.code().local_set(local);
            self.loaded.insert(slot);
        }
        local
    }

    /// Has globals in their locals.
    pub(super) fn load_globals(&mut self, slots: Slots) {
        for slot in self.locals.keepable(slots).iter() {
            let ty = self.type_of(slot);
            self.load_global(slot, ty);
        }
    }

    fn type_of(&self, slot: u16) -> ValType {
        match self.locals.vectors.contains(slot) {
            true => ValType::V128,
            false => ValType::I64,
        }
    }

    /// Writes what slots do not have yet, for somebody who may look at them.
    pub(super) fn save_globals(&mut self, slots: Slots) {
        for slot in slots.iter() {
            let local = self.locals.globals[usize::from(slot)];
            self.code().local_get(BLOCK).local_get(local);
            match self.type_of(slot) {
                ValType::V128 => self.code().v128_store(slot_at(slot)),
                _ => self.code().i64_store(slot_at(slot)),
            };
        }
    }

    /// Gives values of their own to those that are read later from a local about to be overwritten.
    fn move_away(&mut self, from: u32, ty: ValType) {
        let (at, plan) = (self.at, &self.plan);
        let mut readers = Vec::new();
        self.sharers.retain(|&(local, v)| {
            if local == from && plan.value(v).last > at {
                readers.push(v);
            }
            local != from
        });
        let Some(last) = readers.iter().map(|&v| plan.value(v).last).max() else {
            return;
        };
        let local = self.locals.own(ty, last);
        self.code().local_get(from).local_set(local);
        for v in readers {
            self.plan.value_mut(v).place = Place::Own(local);
        }
    }

    pub(super) fn set(&mut self, to: Global, a: Int) {
        if to.0 == slot::PC {
            self.pc = None;
        }
        if !self.locals.may_keep(to.0) {
            self.code().local_get(BLOCK);
            self.int(a);
            return self.store_slot(to.0);
        }
        let local = self.locals.global(to.0, ValType::I64);
        self.move_away(local, ValType::I64);
        if self.cfg.lazy {
            self.int(a);
            self.code().local_set(local);
            self.newer.insert(to.0);
        } else {
            self.code().local_get(BLOCK);
            self.int(a);
            self.code().local_tee(local);
            self.store_slot(to.0);
        }
        self.loaded.insert(to.0);
    }

    pub(super) fn set_vector(&mut self, to: VecGlobal, a: Vector) {
        if !self.locals.may_keep(to.0) {
            self.code().local_get(BLOCK);
            self.vector(a);
            self.code().v128_store(slot_at(to.0));
            return;
        }
        let local = self.locals.global(to.0, ValType::V128);
        self.move_away(local, ValType::V128);
        if self.cfg.lazy {
            self.vector(a);
            self.code().local_set(local);
            self.newer.insert(to.0);
        } else {
            self.code().local_get(BLOCK);
            self.vector(a);
            self.code().local_tee(local).v128_store(slot_at(to.0));
        }
        self.loaded.insert(to.0);
    }

    /// Pushes a vector.
    pub(super) fn vector(&mut self, a: Vector) {
        let place = self.plan.value(Value::Vector(a)).place;
        let mut code: InstructionSink = self.code();
        match place {
            Place::Own(local) | Place::Shared(local) => code.local_get(local),
            Place::Nowhere => code.v128_const(0),
        };
    }
}
