//! Values in and out of registers.

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use ferrite_ir::{Int, Op, Vector, slot};

use super::super::file::{NONE, Taken};
use super::super::frame::Frame;
use super::super::slot_at;
use super::{EmitError, Emitter, immediate};

/// A second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Register(u8),
    Immediate(i32),
}

impl Emitter<'_> {
    /// `register = slot`.
    pub(super) fn load_slot(&mut self, register: u8, slot: u16) {
        let at = slot_at(slot);
        match i8::try_from(at) {
            Ok(at) => dynasm!(self.asm ; .arch x64 ; mov Rq(register), [BYTE rbp + at]),
            Err(_) => dynasm!(self.asm ; .arch x64 ; mov Rq(register), [rbp + at]),
        }
    }

    /// `slot = register`.
    pub(super) fn store_slot(&mut self, slot: u16, register: u8) {
        let at = slot_at(slot);
        match i8::try_from(at) {
            Ok(at) => dynasm!(self.asm ; .arch x64 ; mov [BYTE rbp + at], Rq(register)),
            Err(_) => dynasm!(self.asm ; .arch x64 ; mov [rbp + at], Rq(register)),
        }
    }

    /// `slot = value`. Changes `rax` where the value is no immediate.
    pub(super) fn store_slot_constant(&mut self, slot: u16, value: u64) {
        let at = slot_at(slot);
        match (immediate(value), i8::try_from(at)) {
            (Some(value), Ok(at)) => {
                dynasm!(self.asm ; .arch x64 ; mov QWORD [BYTE rbp + at], value);
            }
            (Some(value), Err(_)) => {
                dynasm!(self.asm ; .arch x64 ; mov QWORD [rbp + at], value);
            }
            (None, _) => {
                self.constant(super::RAX, value);
                self.store_slot(slot, super::RAX);
            }
        }
    }

    /// `register = value`; the host's flags stay.
    pub(super) fn constant(&mut self, register: u8, value: u64) {
        if let Ok(value) = u32::try_from(value) {
            dynasm!(self.asm ; .arch x64 ; mov Rd(register), value as i32);
        } else if let Some(value) = immediate(value) {
            dynasm!(self.asm ; .arch x64 ; mov Rq(register), value);
        } else {
            dynasm!(self.asm ; .arch x64 ; mov Rq(register), QWORD value as i64);
        }
    }

    pub(super) fn copy(&mut self, to: u8, from: u8) {
        if to != from {
            dynasm!(self.asm ; .arch x64 ; mov Rq(to), Rq(from));
        }
    }

    fn load_vector_slot(&mut self, register: u8, slot: u16) {
        dynasm!(self.asm ; .arch x64 ; movups Rx(register), [rbp + slot_at(slot)]);
    }

    pub(super) fn store_vector_slot(&mut self, slot: u16, register: u8) {
        dynasm!(self.asm ; .arch x64 ; movups [rbp + slot_at(slot)], Rx(register));
    }

    /// A register with nothing in it, for the present operation.
    fn empty(&mut self) -> u8 {
        let register = match self.ints.take() {
            Some(Taken::Free(register)) => register,
            Some(Taken::Newer(register, global)) => {
                self.store_slot(global, register);
                register
            }
            Some(Taken::Full(register)) => {
                self.spill(register);
                self.vacate(register);
                register
            }
            None => {
                self.fail(EmitError::TooManyValues);
                3
            }
        };
        self.ints.pin(register);
        register
    }

    /// A register is to hold something else than a copy of a global.
    fn vacate(&mut self, register: u8) {
        if self.ints.is_newer(register) {
            self.store_slot(self.ints.global_in(register), register);
        }
        self.ints.drop_register(register);
    }

    /// The same of a vector register.
    fn vacate_vector(&mut self, register: u8) {
        if self.vectors.is_newer(register) {
            self.store_vector_slot(self.vectors.global_in(register), register);
        }
        self.vectors.drop_register(register);
    }

    /// Puts away the values in a register.
    fn spill(&mut self, register: u8) {
        let mut kept = None;
        for v in self.ints.names_of(register) {
            let slot = match self.ints.value(v).slot {
                NONE => match self.still_in(v) {
                    Some(global) => global,
                    None => *kept.get_or_insert_with(|| self.new_slot()),
                },
                slot => slot,
            };
            self.ints.put_away(v, slot);
        }
        if let Some(slot) = kept {
            self.store_slot(slot, register);
        }
    }

    /// The guest's register that a value was read from, if its slot has it until the last use.
    fn still_in(&self, v: u32) -> Option<u16> {
        let value = self.ints.value(v);
        let rest = self.ops.get(value.def as usize..)?;
        let (&Op::Get { from, .. }, rest) = rest.split_first()? else {
            return None;
        };
        let until = (value.last - value.def) as usize;
        let writes = |op: &Op| match *op {
            Op::Set { to, .. } => to == from,
            Op::SetVec { to, .. } => to.0 == from.0 & !1,
            Op::Call { .. } => true,
            _ => false,
        };
        let stays = from.0 >= slot::FIRST_GUEST
            && self.ints.home_of(from.0).is_none()
            && !rest[..until.min(rest.len())].iter().any(writes);
        stays.then_some(from.0)
    }

    /// The register that `a` is in, brought there if need be.
    pub(super) fn register(&mut self, a: Int) -> u8 {
        let value = *self.ints.value(a.0);
        if value.register != NONE {
            self.ints.pin(value.register as u8);
            return value.register as u8;
        }
        let register = self.empty();
        if let Some(constant) = value.constant {
            self.constant(register, constant);
        } else if value.slot != NONE {
            self.load_slot(register, value.slot);
        } else {
            self.fail(EmitError::Undefined);
        }
        self.ints.place(a.0, register);
        register
    }

    /// `to = a`, for a register that the allocator does not use. The host's flags stay.
    pub(super) fn copy_value(&mut self, to: u8, a: Int) {
        let value = *self.ints.value(a.0);
        if value.register != NONE {
            self.copy(to, value.register as u8);
        } else if let Some(constant) = value.constant {
            self.constant(to, constant);
        } else if value.slot != NONE {
            self.load_slot(to, value.slot);
        } else {
            self.fail(EmitError::Undefined);
        }
    }

    /// What `a` is, where known.
    pub(super) fn known(&self, a: Int) -> Option<u64> {
        self.ints.value(a.0).constant
    }

    /// `a` as an immediate of a 64-bit operation, or in a register.
    pub(super) fn operand(&mut self, a: Int) -> Operand {
        match self.known(a).and_then(immediate) {
            Some(value) => Operand::Immediate(value),
            None => Operand::Register(self.register(a)),
        }
    }

    /// The same for a 32-bit operation.
    pub(super) fn operand_32(&mut self, a: Int) -> Operand {
        match self.known(a) {
            Some(value) => Operand::Immediate(value as i32),
            None => Operand::Register(self.register(a)),
        }
    }

    /// A register for the result `d`: the home of the global that it is for, where that is free.
    pub(super) fn result(&mut self, d: Int) -> u8 {
        self.result_over(d, &[])
    }

    /// The same for an operation that reads `operands` before it writes the result: it may take over
    /// the register of those that nothing else needs.
    pub(super) fn result_over(&mut self, d: Int, operands: &[Int]) -> u8 {
        let register = match self.home_for(d, operands) {
            Some(register) => register,
            None => self.empty(),
        };
        self.define(d, register);
        register
    }

    /// A register for the result `d` that is not written before the operation is certain to be done.
    pub(super) fn late_result(&mut self, d: Int) -> u8 {
        let register = self.empty();
        self.define(d, register);
        register
    }

    fn home_for(&mut self, d: Int, operands: &[Int]) -> Option<u8> {
        let value = *self.ints.value(d.0);
        if !value.direct {
            return None;
        }
        let home = self.ints.home_of(value.home)?;
        let (ints, at) = (&self.ints, self.at);
        let dying = |&&a: &&Int| {
            let value = ints.value(a.0);
            value.register == u16::from(home) && value.last <= at
        };
        let dying: Vec<Int> = operands.iter().filter(dying).copied().collect();
        match dying[..] {
            [] if self.ints.names(home) == 0 && !self.ints.is_pinned(home) => {}
            [a] if self.ints.is_alone(home) => self.ints.release(a.0),
            [a, b] if a == b && self.ints.is_alone(home) => self.ints.release(a.0),
            _ => return None,
        }
        self.take_home(home, value.home);
        Some(home)
    }

    /// Takes the home of a global that is about to change.
    fn take_home(&mut self, home: u8, global: u16) {
        if self.ints.global_in(home) == global {
            self.ints.set_stored(home);
        }
        self.vacate(home);
        self.ints.pin(home);
    }

    /// `d` is in `register` from now on.
    pub(super) fn define(&mut self, d: Int, register: u8) {
        self.ints.place(d.0, register);
    }

    /// A register for the result `d` that starts out as `a`: that of `a` itself, where nothing else
    /// needs it.
    pub(super) fn result_from(&mut self, d: Int, a: Int) -> u8 {
        let value = *self.ints.value(a.0);
        let here = value.register;
        if here != NONE && value.last <= self.at && self.ints.is_alone(here as u8) {
            let here = here as u8;
            let global = self.ints.global_in(here);
            let result = self.ints.value(d.0);
            let seen = self.ints.is_newer(here) && !result.direct;
            if global == NONE || global == result.home && !seen {
                self.ints.drop_register(here);
                self.ints.release(a.0);
                self.ints.pin(here);
                self.define(d, here);
                return here;
            }
        }
        let register = match self.home_for(d, &[]) {
            Some(register) => register,
            None => self.empty(),
        };
        self.copy_value(register, a);
        self.define(d, register);
        register
    }

    pub(super) fn get(&mut self, d: Int, from: u16) {
        if from == slot::FP_STATUS {
            // The host's status word has more to tell.
            self.call_stub(self.stubs.join_status);
            let register = self.result(d);
            return self.load_slot(register, from);
        }
        if let Some(register) = self.ints.copy_of(from) {
            self.define(d, register);
            return;
        }
        let home = self.ints.home_of(from);
        let free = |&home: &u8| self.ints.names(home) == 0 && !self.ints.is_pinned(home);
        let register = match home.filter(free) {
            Some(home) => {
                self.take_home(home, from);
                home
            }
            None => self.empty(),
        };
        self.load_slot(register, from);
        self.ints.set_copy(from, register);
        self.define(d, register);
    }

    pub(super) fn set(&mut self, to: u16, a: Int) {
        if to == slot::PC {
            self.pc = None;
        }
        self.vectors.drop_copy(to & !1);
        if let Some(home) = self.ints.home_of(to) {
            return self.set_at_home(to, home, a);
        }
        let value = *self.ints.value(a.0);
        if let (Some(constant), NONE) = (value.constant, value.register) {
            self.store_slot_constant(to, constant);
            self.ints.drop_copy(to);
            if to == slot::FP_STATUS {
                self.clear_status();
            }
            return;
        }
        let register = self.register(a);
        self.store_slot(to, register);
        if self.ints.is_newer(register) {
            self.ints.drop_copy(to);
        } else {
            self.ints.set_copy(to, register);
        }
        if to == slot::FP_STATUS {
            self.clear_status();
        }
    }

    /// Writes a global that has a home, to nowhere else.
    fn set_at_home(&mut self, to: u16, home: u8, a: Int) {
        let known = self.known(a);
        let from = match (known, self.ints.value(a.0).register) {
            (Some(_), NONE) => None,
            _ => Some(self.register(a)),
        };
        if from != Some(home) {
            if self.ints.names(home) != 0 {
                let register = self.empty();
                self.copy(register, home);
                self.ints.rename(home, register);
            }
            self.take_home(home, to);
            match from {
                Some(from) => self.copy(home, from),
                None => self.constant(home, known.unwrap_or(0)),
            }
        } else if self.ints.global_in(home) != to {
            self.vacate(home);
        }
        self.ints.set_copy(to, home);
        self.ints.set_newer(home);
    }

    /// Forgets what the host's floating-point unit would tell.
    fn clear_status(&mut self) {
        let clean = std::mem::offset_of!(Frame, clean_status) as i32;
        dynasm!(self.asm ; .arch x64 ; ldmxcsr [rsp + clean]);
    }

    /// Puts away every value that is in a register, and forgets every copy: what follows changes
    /// registers and globals.
    pub(super) fn clear_registers(&mut self) {
        self.store_newer();
        for v in self.ints.in_registers() {
            let value = *self.ints.value(v);
            if value.register != NONE {
                if value.last > self.at && value.constant.is_none() {
                    self.spill(value.register as u8);
                } else {
                    self.ints.release(v);
                }
            }
        }
        self.ints.drop_copies();
        self.clear_vectors();
    }

    /// The same for vectors only.
    pub(super) fn clear_vectors(&mut self) {
        for (register, global) in self.vectors.newer() {
            self.store_vector_slot(global, register);
        }
        for v in self.vectors.in_registers() {
            let value = *self.vectors.value(v);
            if value.register != NONE {
                if value.last > self.at {
                    self.spill_vector(value.register as u8);
                } else {
                    self.vectors.release(v);
                }
            }
        }
        self.vectors.drop_copies();
    }

    fn empty_vector(&mut self) -> u8 {
        let register = match self.vectors.take() {
            Some(Taken::Free(register)) => register,
            Some(Taken::Newer(register, global)) => {
                self.store_vector_slot(global, register);
                register
            }
            Some(Taken::Full(register)) => {
                self.spill_vector(register);
                self.vacate_vector(register);
                register
            }
            None => {
                self.fail(EmitError::TooManyValues);
                2
            }
        };
        self.vectors.pin(register);
        register
    }

    fn spill_vector(&mut self, register: u8) {
        let mut kept = None;
        for v in self.vectors.names_of(register) {
            let slot = match self.vectors.value(v).slot {
                NONE => *kept.get_or_insert_with(|| self.new_slot()),
                slot => slot,
            };
            self.vectors.put_away(v, slot);
        }
        if let Some(slot) = kept {
            self.store_vector_slot(slot, register);
        }
    }

    /// The vector register that `a` is in, brought there if need be.
    pub(super) fn vector(&mut self, a: Vector) -> u8 {
        let value = *self.vectors.value(a.0);
        if value.register != NONE {
            self.vectors.pin(value.register as u8);
            return value.register as u8;
        }
        let register = self.empty_vector();
        if value.slot == NONE {
            self.fail(EmitError::Undefined);
        } else {
            self.load_vector_slot(register, value.slot);
        }
        self.vectors.place(a.0, register);
        register
    }

    /// A register for the vector result `d`: the home of the global that it is for, where that is
    /// free.
    pub(super) fn vector_result(&mut self, d: Vector) -> u8 {
        let value = *self.vectors.value(d.0);
        let home = self.vectors.home_of(value.home);
        let free = |&home: &u8| self.vectors.names(home) == 0 && !self.vectors.is_pinned(home);
        let register = match home.filter(|home| value.direct && free(home)) {
            Some(home) => {
                self.take_vector_home(home, value.home);
                home
            }
            None => self.empty_vector(),
        };
        self.vectors.place(d.0, register);
        register
    }

    /// A register for the vector result `d` of an operation that is still to come.
    pub(super) fn vector_result_apart(&mut self, d: Vector) -> u8 {
        let register = self.empty_vector();
        self.vectors.place(d.0, register);
        register
    }

    /// Takes the home of a global that is about to change.
    fn take_vector_home(&mut self, home: u8, global: u16) {
        if self.vectors.global_in(home) == global {
            self.vectors.set_stored(home);
        }
        self.vacate_vector(home);
        self.vectors.pin(home);
    }

    /// The slot of a vector operand, for a function that works on slots.
    pub(super) fn vector_in_slot(&mut self, a: Vector) -> u16 {
        let value = *self.vectors.value(a.0);
        if value.slot != NONE {
            return value.slot;
        }
        if value.register == NONE {
            self.fail(EmitError::Undefined);
            return slot::FIRST_TEMP;
        }
        let register = value.register as u8;
        let global = self.vectors.global_in(register);
        if global != NONE {
            if self.vectors.is_newer(register) {
                self.store_vector_slot(global, register);
                self.vectors.set_stored(register);
            }
            return global;
        }
        let slot = self.new_slot();
        self.store_vector_slot(slot, value.register as u8);
        self.vectors.value_mut(a.0).slot = slot;
        slot
    }

    /// The slot of an integer operand.
    pub(super) fn int_in_slot(&mut self, a: Int) -> u16 {
        let value = *self.ints.value(a.0);
        if value.slot != NONE {
            return value.slot;
        }
        let slot = self.new_slot();
        if let Some(constant) = value.constant {
            self.store_slot_constant(slot, constant);
        } else {
            let register = self.register(a);
            self.store_slot(slot, register);
            self.ints.value_mut(a.0).slot = slot;
        }
        slot
    }

    pub(super) fn get_vector(&mut self, d: Vector, from: u16) {
        if let Some(register) = self.vectors.copy_of(from) {
            self.vectors.place(d.0, register);
            return;
        }
        let register = self.empty_vector();
        self.load_vector_slot(register, from);
        self.vectors.set_copy(from, register);
        self.vectors.place(d.0, register);
    }

    pub(super) fn set_vector(&mut self, to: u16, a: Vector) {
        if let Some(home) = self.vectors.home_of(to) {
            return self.set_vector_at_home(to, home, a);
        }
        let register = self.vector(a);
        self.store_vector_slot(to, register);
        if self.vectors.is_newer(register) {
            self.vectors.drop_copy(to);
        } else {
            self.vectors.set_copy(to, register);
        }
        // Integer globals within the same slots.
        self.ints.drop_copy(to);
        self.ints.drop_copy(to + 1);
    }

    /// Writes a global that has a home, to nowhere else.
    fn set_vector_at_home(&mut self, to: u16, home: u8, a: Vector) {
        let from = self.vector(a);
        if from != home {
            if self.vectors.names(home) != 0 {
                let register = self.empty_vector();
                self.copy_vector(register, home);
                self.vectors.rename(home, register);
            }
            self.take_vector_home(home, to);
            self.copy_vector(home, from);
        } else if self.vectors.global_in(home) != to {
            self.vacate_vector(home);
        }
        self.vectors.set_copy(to, home);
        self.vectors.set_newer(home);
    }
}
