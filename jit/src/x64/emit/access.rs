//! Loads and stores: the look-aside buffer inline, everything else in the cold part.

use std::mem::offset_of;

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use ferrite_ir::{
    Align, BinOp, Int, Mem, Op, Order, Sign, Size, TLB_INDEX, TLB_INDEX_SHIFT, UnOp, VcpuBlock,
    Vector, slot,
};

use super::super::frame::{Frame, TABLES, What};
use super::super::{BIAS, slot_at};
use super::edges::Store;
use super::{Argument, Cold, Emitter, Into, RAX, RCX, cc};

/// Displacement of the read half from `rbp`.
const READ: i32 = offset_of!(VcpuBlock, tlb_read) as i32 - BIAS;
/// Displacement of the write half.
const WRITE: i32 = offset_of!(VcpuBlock, tlb_write) as i32 - BIAS;

impl Emitter<'_> {
    /// `rax = addr + disp`, the guest address.
    pub(super) fn address(&mut self, addr: Int, disp: i32) {
        let value = *self.ints.value(addr.0);
        if let Some(base) = value.constant {
            let at = base.wrapping_add_signed(i64::from(disp));
            return self.constant(RAX, at);
        }
        if value.deferred
            && let Some(&Op::Bin {
                op: BinOp::Add,
                a,
                b,
                ..
            }) = self.ops.get(value.def as usize)
        {
            return self.address_of_sum(a, b, disp);
        }
        let base = self.register(addr);
        if disp == 0 {
            self.copy(RAX, base);
        } else {
            self.lea(ferrite_ir::Width::W64, RAX, base, disp);
        }
    }

    fn address_of_sum(&mut self, a: Int, b: Int, disp: i32) {
        let known = self
            .known(b)
            .map(|n| n.wrapping_add_signed(disp.into()) as i64);
        if let Some(sum) = known {
            if let Ok(sum) = i32::try_from(sum) {
                let base = self.register(a);
                return self.lea(ferrite_ir::Width::W64, RAX, base, sum);
            }
            self.constant(RAX, sum as u64);
            let base = self.register(a);
            dynasm!(self.asm ; .arch x64 ; add rax, Rq(base));
            return;
        }
        let value = *self.ints.value(b.0);
        let shifted = match self.ops.get(value.def as usize) {
            Some(&Op::Bin { a, b: count, .. }) if value.deferred => {
                Some((a, self.known(count).unwrap_or(0)))
            }
            _ => None,
        };
        let (index, scale) = shifted.unwrap_or((b, 0));
        let base = self.register(a);
        let index = self.register(index);
        let scale = scale.min(3) as u8;
        self.lea_sum(ferrite_ir::Width::W64, RAX, base, index, scale, disp);
    }

    /// Turns the guest address in `rax` into an offset in guest memory, or takes one of the returned
    /// jumps. The context is guessed to be that of the half of the address space that the code runs
    /// in: an access to the other half matches nothing.
    pub(super) fn translate(&mut self, mem: Mem, bytes: u64, write: bool) -> Vec<usize> {
        let mut slow = Vec::with_capacity(2);
        let unit = match mem.align {
            Align::Any => 1,
            Align::Natural => mem.size.bytes(),
            Align::Pair => 2 * mem.size.bytes(),
        };
        if unit > 1 {
            dynasm!(self.asm ; .arch x64 ; test al, BYTE (unit - 1) as i8);
            slow.push(self.branch(cc::NOT_EQUAL));
        }
        let table = if write { WRITE } else { READ };
        dynasm!(self.asm
            ; .arch x64
            ; mov ecx, eax
            ; shr ecx, TLB_INDEX_SHIFT as i8
            ; and ecx, TLB_INDEX as i32
        );
        let whole = if unit >= bytes { 1 } else { bytes };
        self.compare_tag(mem, whole, table);
        slow.push(self.branch(cc::NOT_EQUAL));
        dynasm!(self.asm ; .arch x64 ; add rax, [rbp + rcx + table + 8]);
        slow
    }

    /// Compares the tag of an access of `bytes` at the address in `rax`, left in `rdx`, with that of
    /// the entry at offset `rcx`.
    fn compare_tag(&mut self, mem: Mem, bytes: u64, table: i32) {
        if bytes == 1 {
            dynasm!(self.asm ; .arch x64 ; mov rdx, rax);
        } else {
            dynasm!(self.asm ; .arch x64 ; lea rdx, [BYTE rax + (bytes - 1) as i8]);
        }
        let context = match (mem.unprivileged, self.high) {
            (true, _) => slot::CONTEXT_LOW_USER,
            (false, true) => slot::CONTEXT_HIGH,
            (false, false) => slot::CONTEXT_LOW,
        };
        dynasm!(self.asm
            ; .arch x64
            ; and rdx, -4096
            ; or rdx, [rbp + slot_at(context)]
            ; cmp rdx, [rbp + rcx + table]
        );
    }

    /// Whether an address is that of an element of a table by a byte: almost every such access is to
    /// the page of the last, and those before it wait for it.
    fn is_indexed_by_byte(&self, addr: Int) -> bool {
        let def = |a: Int| self.ops.get(self.ints.value(a.0).def as usize);
        let Some(&Op::Bin {
            op: BinOp::Add, b, ..
        }) = def(addr)
        else {
            return false;
        };
        let index = match def(b) {
            Some(&Op::Bin {
                op: BinOp::Shl, a, ..
            }) => a,
            _ => b,
        };
        match def(index) {
            Some(&Op::Bin {
                op: BinOp::And, b, ..
            }) => self.known(b).is_some_and(|mask| mask <= 0xff),
            Some(&Op::Extract { len, signed, .. }) => len <= 8 && !signed,
            Some(Op::Un { op, .. }) => *op == UnOp::ZeroExtend8,
            Some(Op::Load { mem, .. }) => mem.size == Size::B1 && mem.sign == Sign::Zero,
            _ => false,
        }
    }

    /// The same as [`Self::translate`] for a load that takes the entry of the look-aside buffer to be
    /// that of the last time, so that the access does not wait for its being found.
    fn translate_in_table(&mut self, mem: Mem) {
        let hint = offset_of!(Frame, tables) as i32 + 4 * (self.tables % TABLES) as i32;
        self.tables += 1;
        dynasm!(self.asm ; .arch x64 ; mov ecx, [rsp + hint]);
        // The entry may be that of the page behind, which nothing may reach into from before.
        let mut from = Vec::with_capacity(2);
        if mem.size != Size::B1 {
            dynasm!(self.asm ; .arch x64 ; test al, BYTE (mem.size.bytes() - 1) as i8);
            from.push(self.branch(cc::NOT_EQUAL));
        }
        self.compare_tag(mem, 1, READ);
        from.push(self.branch(cc::NOT_EQUAL));
        let back = self.here();
        dynasm!(self.asm ; .arch x64 ; add rax, [rbp + rcx + READ + 8]);
        self.cold.push(Cold::Table {
            from,
            back,
            hint,
            mem,
        });
    }

    /// Finds the entry for the address in `rax` and keeps its place; returns the jump that is taken if
    /// it is not that of the address.
    pub(super) fn cold_table(&mut self, mem: Mem, hint: i32) -> usize {
        dynasm!(self.asm
            ; .arch x64
            ; mov ecx, eax
            ; shr ecx, TLB_INDEX_SHIFT as i8
            ; and ecx, TLB_INDEX as i32
        );
        self.compare_tag(mem, mem.size.bytes(), READ);
        let miss = self.branch(cc::NOT_EQUAL);
        dynasm!(self.asm ; .arch x64 ; mov [rsp + hint], ecx);
        miss
    }

    /// Whether the inline path does an access.
    fn is_inline(mem: Mem) -> bool {
        !mem.swap
    }

    pub(super) fn load(&mut self, d: Int, addr: Int, disp: i32, mem: Mem) {
        let by_byte = self.is_indexed_by_byte(addr) && mem.align == Align::Any;
        self.address(addr, disp);
        let stores = self.stores();
        // Nobody may need the value, but the access may fault.
        let to = if self.ints.value(d.0).uses > 0 {
            self.result(d)
        } else {
            RCX
        };
        let from = if Self::is_inline(mem) {
            let from = if by_byte {
                self.translate_in_table(mem);
                Vec::new()
            } else {
                self.translate(mem, mem.size.bytes(), false)
            };
            self.load_at(to, mem.size, mem.sign);
            from
        } else {
            vec![self.jump()]
        };
        let stub = self.stub_for_vectors(self.stubs.load_x, self.stubs.load);
        self.slow(from, stub, mem, Argument::None, Into::Register(to), stores);
    }

    /// `to` = what is at the offset in `rax`.
    pub(super) fn load_at(&mut self, to: u8, size: Size, sign: Sign) {
        match (size, sign) {
            (Size::B1, Sign::Zero) => {
                dynasm!(self.asm ; .arch x64 ; movzx Rd(to), BYTE [r15 + rax]);
            }
            (Size::B1, Sign::To32) => {
                dynasm!(self.asm ; .arch x64 ; movsx Rd(to), BYTE [r15 + rax]);
            }
            (Size::B1, Sign::To64) => {
                dynasm!(self.asm ; .arch x64 ; movsx Rq(to), BYTE [r15 + rax]);
            }
            (Size::B2, Sign::Zero) => {
                dynasm!(self.asm ; .arch x64 ; movzx Rd(to), WORD [r15 + rax]);
            }
            (Size::B2, Sign::To32) => {
                dynasm!(self.asm ; .arch x64 ; movsx Rd(to), WORD [r15 + rax]);
            }
            (Size::B2, Sign::To64) => {
                dynasm!(self.asm ; .arch x64 ; movsx Rq(to), WORD [r15 + rax]);
            }
            (Size::B4, Sign::To64) => {
                dynasm!(self.asm ; .arch x64 ; movsxd Rq(to), DWORD [r15 + rax]);
            }
            (Size::B4, _) => dynasm!(self.asm ; .arch x64 ; mov Rd(to), [r15 + rax]),
            (Size::B8 | Size::B16, _) => {
                dynasm!(self.asm ; .arch x64 ; mov Rq(to), [r15 + rax]);
            }
        }
    }

    /// The value of a store as an immediate.
    pub(super) fn store_immediate(&self, a: Int, mem: Mem) -> Option<i32> {
        let constant = self.known(a).filter(|_| Self::is_inline(mem))?;
        match mem.size {
            Size::B8 => super::immediate(constant),
            _ => Some(constant as i32),
        }
    }

    /// The stub that keeps vector registers, if there is something in them.
    pub(super) fn stub_for_vectors(&self, keeps: u32, plain: u32) -> u32 {
        if self.vectors.in_use() { keeps } else { plain }
    }

    pub(super) fn store(&mut self, addr: Int, disp: i32, a: Int, mem: Mem) {
        let constant = self.store_immediate(a, mem);
        let value = match constant {
            Some(_) => 0,
            None => self.register(a),
        };
        self.address(addr, disp);
        let from = if Self::is_inline(mem) {
            let from = self.translate(mem, mem.size.bytes(), true);
            match constant {
                Some(n) => self.store_constant_at(n, mem.size),
                None => self.store_at(value, mem.size),
            }
            from
        } else {
            vec![self.jump()]
        };
        let stub = self.stub_for_vectors(self.stubs.store_x, self.stubs.store);
        let argument = match constant {
            Some(n) => Argument::Constant(n as i64 as u64),
            None => Argument::Register(value),
        };
        let stores = self.stores();
        self.slow(from, stub, mem, argument, Into::Nowhere, stores);
        if matches!(mem.order, Order::Release | Order::AcquireRelease) {
            // Ordered before a later load-acquire.
            self.fence(ferrite_ir::Fence::Full);
        }
    }

    pub(super) fn store_at(&mut self, value: u8, size: Size) {
        match size {
            Size::B1 => dynasm!(self.asm ; .arch x64 ; mov [r15 + rax], Rb(value)),
            Size::B2 => dynasm!(self.asm ; .arch x64 ; mov [r15 + rax], Rw(value)),
            Size::B4 => dynasm!(self.asm ; .arch x64 ; mov [r15 + rax], Rd(value)),
            Size::B8 | Size::B16 => dynasm!(self.asm ; .arch x64 ; mov [r15 + rax], Rq(value)),
        }
    }

    pub(super) fn store_constant_at(&mut self, value: i32, size: Size) {
        match size {
            Size::B1 => dynasm!(self.asm ; .arch x64 ; mov BYTE [r15 + rax], value as i8),
            Size::B2 => dynasm!(self.asm ; .arch x64 ; mov WORD [r15 + rax], value as i16),
            Size::B4 => dynasm!(self.asm ; .arch x64 ; mov DWORD [r15 + rax], value),
            Size::B8 | Size::B16 => {
                dynasm!(self.asm ; .arch x64 ; mov QWORD [r15 + rax], value);
            }
        }
    }

    pub(super) fn load_vector(&mut self, d: Vector, addr: Int, disp: i32, mem: Mem) {
        self.address(addr, disp);
        let stores = self.stores();
        let x = if self.vectors.value(d.0).uses > 0 {
            self.vector_result(d)
        } else {
            0
        };
        let from = if Self::is_inline(mem) {
            let from = self.translate(mem, mem.size.bytes(), false);
            self.load_vector_at(x, mem.size, 0);
            from
        } else {
            vec![self.jump()]
        };
        let stub = self.stubs.load_vector;
        self.slow(from, stub, mem, Argument::None, Into::Vector(x), stores);
    }

    /// `x` = what is `disp` behind the offset in `rax`, which the smallest sizes change.
    pub(super) fn load_vector_at(&mut self, x: u8, size: Size, disp: i8) {
        match size {
            Size::B1 => dynasm!(self.asm
                ; .arch x64
                ; movzx eax, BYTE [BYTE r15 + rax + disp]
                ; movd Rx(x), eax
            ),
            Size::B2 => dynasm!(self.asm
                ; .arch x64
                ; movzx eax, WORD [BYTE r15 + rax + disp]
                ; movd Rx(x), eax
            ),
            Size::B4 => dynasm!(self.asm ; .arch x64 ; movd Rx(x), [BYTE r15 + rax + disp]),
            Size::B8 => dynasm!(self.asm ; .arch x64 ; movq Rx(x), [BYTE r15 + rax + disp]),
            Size::B16 => dynasm!(self.asm ; .arch x64 ; movups Rx(x), [BYTE r15 + rax + disp]),
        }
    }

    /// Stores `x` `disp` behind the offset in `rax`.
    pub(super) fn store_vector_at(&mut self, x: u8, size: Size, disp: i8) {
        match size {
            Size::B1 => dynasm!(self.asm
                ; .arch x64
                ; movd ecx, Rx(x)
                ; mov [BYTE r15 + rax + disp], cl
            ),
            Size::B2 => dynasm!(self.asm
                ; .arch x64
                ; movd ecx, Rx(x)
                ; mov [BYTE r15 + rax + disp], cx
            ),
            Size::B4 => dynasm!(self.asm ; .arch x64 ; movd [BYTE r15 + rax + disp], Rx(x)),
            Size::B8 => dynasm!(self.asm ; .arch x64 ; movq [BYTE r15 + rax + disp], Rx(x)),
            Size::B16 => dynasm!(self.asm ; .arch x64 ; movups [BYTE r15 + rax + disp], Rx(x)),
        }
    }

    pub(super) fn store_vector(&mut self, addr: Int, disp: i32, a: Vector, mem: Mem) {
        let x = self.vector(a);
        self.address(addr, disp);
        let from = if Self::is_inline(mem) {
            let from = self.translate(mem, mem.size.bytes(), true);
            self.store_vector_at(x, mem.size, 0);
            from
        } else {
            vec![self.jump()]
        };
        let stub = self.stubs.store_vector;
        let stores = self.stores();
        self.slow(from, stub, mem, Argument::Vector(x), Into::Nowhere, stores);
    }

    /// Leaves the rest of an access to a stub, before which `stores` are to be done.
    fn slow(
        &mut self,
        from: Vec<usize>,
        stub: u32,
        mem: Mem,
        argument: Argument,
        result: Into,
        stores: Vec<Store>,
    ) {
        let back = self.here();
        let site = self.site(What::Access(mem));
        self.cold.push(Cold::Call {
            from,
            back,
            stub,
            site,
            argument,
            result,
            stores,
        });
    }
}
