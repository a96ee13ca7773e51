//! Accesses that other threads see in one piece and in order: WebAssembly's atomic ones, which are
//! sequentially consistent, and want addresses that are multiples of the size.

use ferrite_ir::{Align, AtomicOp, Mem, Order, Sign, Size};
use wasm_encoder::MemArg;

use super::super::THREADS;
use super::Emitter;

/// Has the instruction of an access's size.
macro_rules! by_size {
    ($self:ident, $size:expr, $byte:ident, $two:ident, $four:ident, $eight:ident) => {{
        let place = MemArg {
            align: $size.min(Size::B8) as u32,
            ..$self.ram()
        };
        let mut code = $self.code();
        match $size {
            Size::B1 => code.$byte(place),
            Size::B2 => code.$two(place),
            Size::B4 => code.$four(place),
            Size::B8 | Size::B16 => code.$eight(place),
        };
    }};
}

/// Whether the inline path is taken for multiples of the size only.
fn is_aligned(mem: Mem) -> bool {
    mem.size == Size::B1 || mem.align != Align::Any
}

impl Emitter<'_> {
    /// Orders what comes before with what comes after, for vCPUs on other threads.
    pub(super) fn fence(&mut self) {
        if THREADS {
            self.code().atomic_fence();
        }
    }

    /// `load_at` in the order that the access has.
    pub(super) fn load_ordered(&mut self, mem: Mem) {
        if !THREADS || mem.order == Order::Plain {
            self.load_at(mem.size, mem.sign);
        } else if is_aligned(mem) && mem.sign == Sign::Zero {
            self.load_atomic(mem.size);
        } else {
            self.load_at(mem.size, mem.sign);
            self.fence();
        }
    }

    /// `store_at` in the order that the access has.
    pub(super) fn store_ordered(&mut self, mem: Mem) {
        if !THREADS || mem.order == Order::Plain {
            self.store_at(mem.size);
        } else if is_aligned(mem) {
            by_size!(
                self,
                mem.size,
                i64_atomic_store8,
                i64_atomic_store16,
                i64_atomic_store32,
                i64_atomic_store
            );
        } else {
            self.fence();
            self.store_at(mem.size);
            self.fence();
        }
    }

    /// Pops an offset in guest memory and pushes what is there, without a sign.
    pub(super) fn load_atomic(&mut self, size: Size) {
        by_size!(
            self,
            size,
            i64_atomic_load8_u,
            i64_atomic_load16_u,
            i64_atomic_load32_u,
            i64_atomic_load
        );
    }

    /// Pops the new value, what has to be there (as many bits as are compared) and an offset; pushes
    /// what was there.
    pub(super) fn exchange_if_equal(&mut self, size: Size) {
        by_size!(
            self,
            size,
            i64_atomic_rmw8_cmpxchg_u,
            i64_atomic_rmw16_cmpxchg_u,
            i64_atomic_rmw32_cmpxchg_u,
            i64_atomic_rmw_cmpxchg
        );
    }

    /// Pops the operand of a simple operation and an offset, and pushes what was there.
    pub(super) fn update(&mut self, op: AtomicOp, size: Size) {
        match op {
            AtomicOp::Add => by_size!(
                self,
                size,
                i64_atomic_rmw8_add_u,
                i64_atomic_rmw16_add_u,
                i64_atomic_rmw32_add_u,
                i64_atomic_rmw_add
            ),
            AtomicOp::Clear => {
                self.code().i64_const(-1).i64_xor();
                by_size!(
                    self,
                    size,
                    i64_atomic_rmw8_and_u,
                    i64_atomic_rmw16_and_u,
                    i64_atomic_rmw32_and_u,
                    i64_atomic_rmw_and
                );
            }
            AtomicOp::Xor => by_size!(
                self,
                size,
                i64_atomic_rmw8_xor_u,
                i64_atomic_rmw16_xor_u,
                i64_atomic_rmw32_xor_u,
                i64_atomic_rmw_xor
            ),
            AtomicOp::Set => by_size!(
                self,
                size,
                i64_atomic_rmw8_or_u,
                i64_atomic_rmw16_or_u,
                i64_atomic_rmw32_or_u,
                i64_atomic_rmw_or
            ),
            // A swap: nothing else is simple.
            _ => by_size!(
                self,
                size,
                i64_atomic_rmw8_xchg_u,
                i64_atomic_rmw16_xchg_u,
                i64_atomic_rmw32_xchg_u,
                i64_atomic_rmw_xchg
            ),
        }
    }
}
