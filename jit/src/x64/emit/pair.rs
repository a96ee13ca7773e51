//! Two accesses side by side, as load and store pair instructions make them, behind one check.
//!
//! Where the check fails both are done one after the other by the functions for single accesses, the
//! first before the second is tried: what a fault between them leaves behind is what it leaves behind
//! elsewhere.

use std::mem::offset_of;

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use ferrite_ir::{Int, Mem, Op};

use super::super::frame::{Frame, What};
use super::super::plan;
use super::edges::Store;
use super::{Argument, Cold, Emitter, Into, RCX};

/// What is left of two accesses to the cold part.
pub(super) struct Outlined {
    from: Vec<usize>,
    back: usize,
    stub: u32,
    site: u32,
    arguments: [Argument; 2],
    results: [Into; 2],
    stores: Vec<Store>,
    /// Distance of the second access from the first.
    step: i32,
}

impl Emitter<'_> {
    /// Writes the present operation and the one behind it, if they are a pair that is accessed
    /// inline; tells whether it has.
    pub(super) fn pair(&mut self) -> bool {
        let at = self.at as usize;
        let (Some(first), Some(second)) = (self.ops.get(at), self.ops.get(at + 1)) else {
            return false;
        };
        if !plan::is_pair(first, second) {
            return false;
        }
        match (first, second) {
            (&Op::Load { d, addr, disp, mem }, &Op::Load { d: other, .. }) => {
                self.address(addr, disp);
                let stores = self.stores();
                let to = [d, other].map(|d| match self.ints.value(d.0).uses {
                    0 => RCX,
                    _ => self.result(d),
                });
                let from = self.translate(mem, 2 * mem.size.bytes(), false);
                self.load_at(to[0], mem.size, mem.sign);
                self.step(mem);
                self.load_at(to[1], mem.size, mem.sign);
                let stub = self.stub_for_vectors(self.stubs.load_x, self.stubs.load);
                self.outline_pair(
                    from,
                    stub,
                    mem,
                    [Argument::None; 2],
                    to.map(Into::Register),
                    stores,
                );
            }
            (&Op::Store { addr, disp, a, mem }, &Op::Store { a: other, .. }) => {
                let values = [a, other].map(|a| self.stored(a, mem));
                self.address(addr, disp);
                let from = self.translate(mem, 2 * mem.size.bytes(), true);
                self.store_argument(values[0], mem);
                self.step(mem);
                self.store_argument(values[1], mem);
                let stub = self.stub_for_vectors(self.stubs.store_x, self.stubs.store);
                let stores = self.stores();
                self.outline_pair(from, stub, mem, values, [Into::Nowhere; 2], stores);
            }
            (&Op::LoadVec { d, addr, disp, mem }, &Op::LoadVec { d: other, .. }) => {
                self.address(addr, disp);
                let stores = self.stores();
                let to = [d, other].map(|d| match self.vectors.value(d.0).uses {
                    0 => 0,
                    _ => self.vector_result(d),
                });
                let from = self.translate(mem, 2 * mem.size.bytes(), false);
                self.load_vector_at(to[0], mem.size, 0);
                self.load_vector_at(to[1], mem.size, mem.size.bytes() as i8);
                let stub = self.stubs.load_vector;
                self.outline_pair(
                    from,
                    stub,
                    mem,
                    [Argument::None; 2],
                    to.map(Into::Vector),
                    stores,
                );
            }
            (&Op::StoreVec { addr, disp, a, mem }, &Op::StoreVec { a: other, .. }) => {
                let values = [a, other].map(|a| self.vector(a));
                self.address(addr, disp);
                let from = self.translate(mem, 2 * mem.size.bytes(), true);
                self.store_vector_at(values[0], mem.size, 0);
                self.store_vector_at(values[1], mem.size, mem.size.bytes() as i8);
                let stores = self.stores();
                let arguments = values.map(Argument::Vector);
                let stub = self.stubs.store_vector;
                self.outline_pair(from, stub, mem, arguments, [Into::Nowhere; 2], stores);
            }
            _ => return false,
        }
        true
    }

    fn stored(&mut self, a: Int, mem: Mem) -> Argument {
        match self.store_immediate(a, mem) {
            Some(n) => Argument::Constant(n as i64 as u64),
            None => Argument::Register(self.register(a)),
        }
    }

    fn store_argument(&mut self, value: Argument, mem: Mem) {
        match value {
            Argument::Register(register) => self.store_at(register, mem.size),
            Argument::Constant(n) => self.store_constant_at(n as i32, mem.size),
            _ => {}
        }
    }

    /// The offset in `rax` goes on to the second access.
    fn step(&mut self, mem: Mem) {
        dynasm!(self.asm ; .arch x64 ; add rax, BYTE mem.size.bytes() as i8);
    }

    fn outline_pair(
        &mut self,
        from: Vec<usize>,
        stub: u32,
        mem: Mem,
        arguments: [Argument; 2],
        results: [Into; 2],
        stores: Vec<Store>,
    ) {
        let site = self.site(What::Access(mem));
        self.cold.push(Cold::Pair(Outlined {
            from,
            back: self.here(),
            stub,
            site,
            arguments,
            results,
            stores,
            step: mem.size.bytes() as i32,
        }));
    }

    pub(super) fn cold_pair(&mut self, pair: Outlined) {
        let scratch = offset_of!(Frame, scratch) as i32;
        for from in pair.from {
            self.land(from);
        }
        self.store_all(&pair.stores);
        dynasm!(self.asm ; .arch x64 ; mov [rsp + scratch], rax);
        let [first, second] = pair.results;
        self.cold_call(pair.stub, pair.site, pair.arguments[0], first);
        dynasm!(self.asm
            ; .arch x64
            ; mov rax, [rsp + scratch]
            ; add rax, pair.step
        );
        self.cold_call(pair.stub, pair.site, pair.arguments[1], second);
        let end = self.jump();
        self.connect(end, pair.back);
    }
}
