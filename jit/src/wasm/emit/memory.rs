//! Loads and stores: the look-aside buffer inline, everything else by functions.

use std::mem::offset_of;

use ferrite_ir::{
    Align, Int, Mem, Sign, Size, TLB_INDEX, TLB_INDEX_SHIFT, TlbEntry, Value, VcpuBlock, Vector,
    slot,
};
use wasm_encoder::{BlockType, MemArg, ValType};

use super::super::layout::{Callee, Shared, What};
use super::values::slot_at;
use super::{BLOCK, CONTEXT, Emitter};

const READ: usize = offset_of!(VcpuBlock, tlb_read);
const WRITE: usize = offset_of!(VcpuBlock, tlb_write);

/// An access that may be anywhere.
pub(super) const fn at(offset: u64) -> MemArg {
    MemArg {
        offset,
        align: 0,
        memory_index: 0,
    }
}

const fn aligned(offset: usize, align: u32) -> MemArg {
    MemArg {
        offset: offset as u64,
        align,
        memory_index: 0,
    }
}

/// Where a guest access takes place, once it is known to be in memory.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Local with the guest address.
    pub va: u32,
    /// Local with the address of the entry of the look-aside buffer, without the table's offset.
    entry: u32,
    table: usize,
}

impl Emitter<'_> {
    /// A local with the guest address `addr + disp`.
    pub(super) fn address(&mut self, addr: Int, disp: i32) -> u32 {
        if disp == 0 {
            return self.in_local(addr);
        }
        self.int(addr);
        let va = self.locals.temporary(ValType::I64);
        self.code().i64_const(disp.into()).i64_add().local_set(va);
        va
    }

    /// Reads that context anew, if the code needs it.
    pub(super) fn load_context(&mut self) {
        if let Some(local) = self.context {
            let half = if self.high {
                slot::CONTEXT_HIGH
            } else {
                slot::CONTEXT_LOW
            };
            self.load_slot(half);
            self.code().local_set(local);
        }
    }

    /// Pushes whether the inline path does *not* apply. The context is guessed to be that of the half
    /// of the address space that the code runs in: an access to the other half matches nothing.
    pub(super) fn misses(&mut self, va: u32, mem: Mem, bytes: u64, write: bool) -> Place {
        let table = if write { WRITE } else { READ };
        let entry = self.locals.temporary(ValType::I32);
        let unit = match mem.align {
            Align::Any => 1,
            Align::Natural => mem.size.bytes(),
            Align::Pair => 2 * mem.size.bytes(),
        };
        let mut code = self.code();
        code.local_get(va).i32_wrap_i64();
        code.i32_const(TLB_INDEX_SHIFT as i32).i32_shr_u();
        code.i32_const(TLB_INDEX as i32).i32_and();
        code.local_get(BLOCK).i32_add().local_tee(entry);
        code.i64_load(aligned(table + offset_of!(TlbEntry, tag), 3));
        code.local_get(va);
        if unit < bytes {
            code.i64_const(bytes as i64 - 1).i64_add();
        }
        code.i64_const(-(ferrite_ram::PAGE_SIZE as i64)).i64_and();
        match self.context {
            Some(context) if !mem.unprivileged => {
                self.code().local_get(context);
            }
            _ => self.load_slot(slot::CONTEXT_LOW_USER),
        }
        self.code().i64_or().i64_ne();
        if unit > 1 {
            let mut code = self.code();
            code.local_get(va).i32_wrap_i64();
            code.i32_const(unit as i32 - 1).i32_and().i32_or();
        }
        Place { va, entry, table }
    }

    /// Pushes the offset in guest memory, after [`Self::misses`] said no.
    pub(super) fn offset(&mut self, place: Place) {
        let mut code = self.code();
        code.local_get(place.va).local_get(place.entry);
        code.i64_load(aligned(place.table + offset_of!(TlbEntry, addend), 3));
        code.i64_add().i32_wrap_i64();
    }

    /// Where guest memory is, from an offset in it.
    pub(super) fn ram(&self) -> MemArg {
        at(self.layout.ram.into())
    }

    pub(super) fn load(&mut self, d: Int, addr: Int, disp: i32, mem: Mem) {
        let va = self.address(addr, disp);
        let place = if mem.swap {
            self.code().i32_const(1);
            None
        } else {
            Some(self.misses(va, mem, mem.size.bytes(), false))
        };
        self.code().if_(BlockType::Result(ValType::I64));
        let site = self.site(What::Access(mem));
        let late = self.save_seen();
        let mut code = self.code();
        code.local_get(CONTEXT).i32_const(site).local_get(va);
        code.call(Callee::Load.index());
        self.leave_if(late, 1);
        self.reload_budget();
        self.code().else_();
        match place {
            Some(place) => {
                self.offset(place);
                self.load_ordered(mem);
            }
            None => {
                self.code().i64_const(0);
            }
        }
        self.code().end();
        self.define(Value::Int(d), ValType::I64);
    }

    /// Pops an offset in guest memory and pushes what is there.
    pub(super) fn load_at(&mut self, size: Size, sign: Sign) {
        let ram = self.ram();
        let mut code = self.code();
        match (size, sign) {
            (Size::B1, Sign::Zero) => code.i64_load8_u(ram),
            (Size::B1, Sign::To32) => code.i32_load8_s(ram).i64_extend_i32_u(),
            (Size::B1, Sign::To64) => code.i64_load8_s(ram),
            (Size::B2, Sign::Zero) => code.i64_load16_u(ram),
            (Size::B2, Sign::To32) => code.i32_load16_s(ram).i64_extend_i32_u(),
            (Size::B2, Sign::To64) => code.i64_load16_s(ram),
            (Size::B4, Sign::To64) => code.i64_load32_s(ram),
            (Size::B4, _) => code.i64_load32_u(ram),
            (Size::B8 | Size::B16, _) => code.i64_load(ram),
        };
    }

    pub(super) fn store(&mut self, addr: Int, disp: i32, a: Int, mem: Mem) {
        let va = self.address(addr, disp);
        // Both ways need it.
        let value = match self.constant(a) {
            Some(_) => None,
            None => Some(self.in_local(a)),
        };
        let place = if mem.swap {
            self.code().i32_const(1);
            None
        } else {
            Some(self.misses(va, mem, mem.size.bytes(), true))
        };
        self.code().if_(BlockType::Empty);
        let site = self.site(What::Access(mem));
        let late = self.save_seen();
        self.code().local_get(CONTEXT).i32_const(site).local_get(va);
        self.push(value, a);
        self.code().call(Callee::Store.index());
        self.leave_if(late, 1);
        self.reload_budget();
        if let Some(place) = place {
            self.code().else_();
            self.offset(place);
            self.push(value, a);
            self.store_ordered(mem);
        }
        self.code().end();
    }

    fn push(&mut self, local: Option<u32>, a: Int) {
        match local {
            Some(local) => {
                self.code().local_get(local);
            }
            None => self.int(a),
        }
    }

    /// Pops a number and an offset in guest memory to store it at.
    pub(super) fn store_at(&mut self, size: Size) {
        let ram = self.ram();
        let mut code = self.code();
        match size {
            Size::B1 => code.i64_store8(ram),
            Size::B2 => code.i64_store16(ram),
            Size::B4 => code.i64_store32(ram),
            Size::B8 | Size::B16 => code.i64_store(ram),
        };
    }

    pub(super) fn load_vector(&mut self, d: Vector, addr: Int, disp: i32, mem: Mem) {
        let va = self.address(addr, disp);
        let place = if mem.swap {
            self.code().i32_const(1);
            None
        } else {
            Some(self.misses(va, mem, mem.size.bytes(), false))
        };
        self.code().if_(BlockType::Result(ValType::V128));
        let site = self.site(What::Access(mem));
        let late = self.save_seen();
        let mut code = self.code();
        code.local_get(CONTEXT).i32_const(site).local_get(va);
        code.call(Callee::LoadVector.index());
        self.leave_if(late, 1);
        self.reload_budget();
        let vector = aligned(offset_of!(Shared, vector), 3);
        self.code().local_get(CONTEXT).v128_load(vector);
        self.code().else_();
        match place {
            Some(place) => {
                self.load_vector_at(place, mem.size);
            }
            None => {
                self.code().v128_const(0);
            }
        }
        self.code().end();
        self.define(Value::Vector(d), ValType::V128);
    }

    fn load_vector_at(&mut self, place: Place, size: Size) {
        let ram = self.ram();
        if matches!(size, Size::B1 | Size::B2) {
            self.code().v128_const(0);
        }
        self.offset(place);
        let mut code = self.code();
        match size {
            Size::B1 => code.i32_load8_u(ram).i32x4_replace_lane(0),
            Size::B2 => code.i32_load16_u(ram).i32x4_replace_lane(0),
            Size::B4 => code.v128_load32_zero(ram),
            Size::B8 => code.v128_load64_zero(ram),
            Size::B16 => code.v128_load(ram),
        };
    }

    pub(super) fn store_vector(&mut self, addr: Int, disp: i32, a: Vector, mem: Mem) {
        let va = self.address(addr, disp);
        let place = if mem.swap {
            self.code().i32_const(1);
            None
        } else {
            Some(self.misses(va, mem, mem.size.bytes(), true))
        };
        self.code().if_(BlockType::Empty);
        let site = self.site(What::Access(mem));
        let late = self.save_seen();
        self.code().local_get(CONTEXT);
        self.vector(a);
        let vector = aligned(offset_of!(Shared, vector), 3);
        let mut code = self.code();
        code.v128_store(vector);
        code.local_get(CONTEXT).i32_const(site).local_get(va);
        code.call(Callee::StoreVector.index());
        self.leave_if(late, 1);
        self.reload_budget();
        if let Some(place) = place {
            self.code().else_();
            self.offset(place);
            self.vector(a);
            let ram = self.ram();
            let mut code = self.code();
            match mem.size {
                Size::B1 => code.v128_store8_lane(ram, 0),
                Size::B2 => code.v128_store16_lane(ram, 0),
                Size::B4 => code.v128_store32_lane(ram, 0),
                Size::B8 => code.v128_store64_lane(ram, 0),
                Size::B16 => code.v128_store(ram),
            };
        }
        self.code().end();
    }

    /// Pushes a vector slot's contents.
    pub(super) fn load_vector_slot(&mut self, slot: u16) {
        self.code().local_get(BLOCK).v128_load(slot_at(slot));
    }
}
