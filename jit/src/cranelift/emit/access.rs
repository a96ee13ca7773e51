//! Loads and stores: the look-aside buffer inline, everything else on a cold path.

use std::mem::offset_of;

use cranelift_codegen::ir::{
    self, Endianness, InstBuilder, MemFlagsData, Type, Value, condcodes::IntCC, types,
};
use ferrite_ir::{
    Align, Int, Mem, Order, Sign, Size, TLB_INDEX, TLB_INDEX_SHIFT, VcpuBlock, Vector, slot,
};

use super::super::frame::{Frame, What};
use super::{Emitter, imm, own};

/// Attributes of accesses to guest memory.
pub(super) fn guest() -> MemFlagsData {
    MemFlagsData::new()
        .with_notrap()
        .with_endianness(Endianness::Little)
}

/// The type of what an access moves.
pub(super) fn type_of(size: Size) -> Type {
    match size {
        Size::B1 => types::I8,
        Size::B2 => types::I16,
        Size::B4 => types::I32,
        Size::B8 => types::I64,
        Size::B16 => types::I64X2,
    }
}

impl Emitter<'_> {
    pub(super) fn address(&mut self, addr: Int, disp: i32) -> Value {
        let base = self.int(addr);
        if disp == 0 {
            base
        } else {
            self.b.ins().iadd_imm_s(base, i64::from(disp))
        }
    }

    /// Turns a guest address into a host address, or goes to `slow`. The context is guessed to be
    /// that of the half of the address space that the code runs in: an access to the other half
    /// matches nothing.
    pub(super) fn translate(&mut self, at: Value, mem: Mem, write: bool, slow: ir::Block) -> Value {
        let bytes = mem.size.bytes();
        let unit = match mem.align {
            Align::Any => 1,
            Align::Natural => bytes,
            Align::Pair => 2 * bytes,
        };
        if unit > 1 {
            let rest = self.b.ins().band_imm_u(at, imm(unit - 1));
            let aligned = self.new_block(&[]);
            self.branch(rest, slow, aligned);
            self.enter(aligned);
        }
        let context = match (mem.unprivileged, self.high) {
            (true, _) => slot::CONTEXT_LOW_USER,
            (false, true) => slot::CONTEXT_HIGH,
            (false, false) => slot::CONTEXT_LOW,
        };
        let table = if write {
            offset_of!(VcpuBlock, tlb_write)
        } else {
            offset_of!(VcpuBlock, tlb_read)
        } as i32;
        let index = self.b.ins().ushr_imm_u(at, imm(TLB_INDEX_SHIFT.into()));
        let index = self.b.ins().band_imm_u(index, imm(TLB_INDEX));
        let entry = self.b.ins().iadd(self.cpu, index);
        let last = if unit >= bytes {
            at
        } else {
            self.b.ins().iadd_imm_s(at, imm(bytes - 1))
        };
        let page = self.b.ins().band_imm_s(last, -4096);
        let context = self.load_slot(types::I64, context);
        let wanted = self.b.ins().bor(page, context);
        let tag = self.b.ins().load(types::I64, own(), entry, table);
        let hit = self.b.ins().icmp(IntCC::Equal, wanted, tag);
        let fast = self.new_block(&[]);
        self.branch(hit, fast, slow);
        self.enter(fast);
        let addend = self.b.ins().load(types::I64, own(), entry, table + 8);
        let offset = self.b.ins().iadd(at, addend);
        self.b.ins().iadd(self.memory, offset)
    }

    /// A new block for what the inline path does not do.
    pub(super) fn cold_block(&mut self) -> ir::Block {
        let block = self.b.create_block();
        self.b.set_cold_block(block);
        block
    }

    /// Writes the cold path of an access, after which `give` says what it has brought.
    fn slow(&mut self, slow: ir::Block, thunk: u64, mem: Mem, at: Value, value: Option<Value>) {
        self.enter(slow);
        self.sync();
        let site = self.site(What::Access(mem));
        self.call_cold(thunk, site, Some(at), value);
        let told = self.frame_field(types::I64, offset_of!(Frame, left));
        let stay = self.cold_block();
        self.branch(told, self.leave, stay);
        self.enter(stay);
    }

    pub(super) fn load(&mut self, d: Int, addr: Int, disp: i32, mem: Mem) {
        let at = self.address(addr, disp);
        let slow = self.cold_block();
        let done = self.new_block(&[types::I64]);
        if mem.swap {
            self.jump(slow, &[]);
        } else {
            let place = self.translate(at, mem, false, slow);
            let value = self.load_at(place, mem);
            self.jump(done, &[value]);
        }
        self.slow(slow, self.thunks.load, mem, at, None);
        let value = self.frame_field(types::I64, offset_of!(Frame, value));
        self.jump(done, &[value]);
        self.enter(done);
        let value = self.b.block_params(done)[0];
        self.define(d, value);
    }

    /// What is at a host address, extended.
    fn load_at(&mut self, place: Value, mem: Mem) -> Value {
        let ty = type_of(mem.size);
        let acquire = matches!(mem.order, Order::Acquire | Order::AcquireRelease);
        let raw = if acquire && self.host.ordered {
            // No instruction beyond the load, but later loads stay behind it.
            self.b.ins().atomic_load(ty, guest(), place)
        } else {
            self.b.ins().load(ty, guest(), place, 0)
        };
        if acquire && !self.host.ordered {
            self.b.ins().fence();
        }
        self.extend(mem.size, mem.sign, raw)
    }

    /// A loaded value, extended to 64 bits.
    pub(super) fn extend(&mut self, size: Size, sign: Sign, raw: Value) -> Value {
        match (size, sign) {
            (Size::B8 | Size::B16, _) => raw,
            (_, Sign::Zero) | (Size::B4, Sign::To32) => self.b.ins().uextend(types::I64, raw),
            (_, Sign::To64) => self.b.ins().sextend(types::I64, raw),
            (_, Sign::To32) => {
                let value = self.b.ins().sextend(types::I32, raw);
                self.b.ins().uextend(types::I64, value)
            }
        }
    }

    pub(super) fn store(&mut self, addr: Int, disp: i32, a: Int, mem: Mem) {
        let value = self.int(a);
        let at = self.address(addr, disp);
        let slow = self.cold_block();
        let done = self.new_block(&[]);
        let release = matches!(mem.order, Order::Release | Order::AcquireRelease);
        if release && !self.host.ordered {
            self.b.ins().fence();
        }
        if mem.swap {
            self.jump(slow, &[]);
        } else {
            let place = self.translate(at, mem, true, slow);
            let value = match mem.size {
                Size::B8 | Size::B16 => value,
                size => self.b.ins().ireduce(type_of(size), value),
            };
            self.b.ins().store(guest(), value, place, 0);
            self.jump(done, &[]);
        }
        self.slow(slow, self.thunks.store, mem, at, Some(value));
        self.jump(done, &[]);
        self.enter(done);
        if release {
            // Ordered before a later load-acquire.
            self.b.ins().fence();
        }
    }

    pub(super) fn load_vector(&mut self, d: Vector, addr: Int, disp: i32, mem: Mem) {
        let at = self.address(addr, disp);
        let slow = self.cold_block();
        let done = self.new_block(&[types::I64X2]);
        if mem.swap {
            self.jump(slow, &[]);
        } else {
            let place = self.translate(at, mem, false, slow);
            let raw = self.b.ins().load(type_of(mem.size), guest(), place, 0);
            let value = match mem.size {
                Size::B16 => raw,
                size => {
                    let value = self.extend(size, Sign::Zero, raw);
                    self.b.ins().scalar_to_vector(types::I64X2, value)
                }
            };
            self.jump(done, &[value]);
        }
        self.slow(slow, self.thunks.load_vector, mem, at, None);
        let value = self.frame_field(types::I64X2, offset_of!(Frame, value));
        self.jump(done, &[value]);
        self.enter(done);
        let value = self.b.block_params(done)[0];
        self.define_vector(d, value);
    }

    pub(super) fn store_vector(&mut self, addr: Int, disp: i32, a: Vector, mem: Mem) {
        let value = self.vector(a);
        let at = self.address(addr, disp);
        let slow = self.cold_block();
        let done = self.new_block(&[]);
        if mem.swap {
            self.jump(slow, &[]);
        } else {
            let place = self.translate(at, mem, true, slow);
            let part = match mem.size {
                Size::B16 => value,
                Size::B8 => self.b.ins().extractlane(value, 0),
                size => {
                    let low = self.b.ins().extractlane(value, 0);
                    self.b.ins().ireduce(type_of(size), low)
                }
            };
            self.b.ins().store(guest(), part, place, 0);
            self.jump(done, &[]);
        }
        self.store_vector_slowly(slow, value, at, mem);
        self.jump(done, &[]);
        self.enter(done);
    }

    fn store_vector_slowly(&mut self, slow: ir::Block, value: Value, at: Value, mem: Mem) {
        self.b.switch_to_block(slow);
        self.set_frame_field(offset_of!(Frame, args), value);
        let next = self.cold_block();
        self.jump(next, &[]);
        self.b.seal_block(slow);
        self.slow(next, self.thunks.store_vector, mem, at, None);
    }
}
