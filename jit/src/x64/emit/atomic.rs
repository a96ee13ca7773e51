//! Atomic and exclusive accesses.

use ferrite_ir::interp::{AtomicEntry, AtomicKind};
use ferrite_ir::{Int, Mem, Op, Size};

use super::super::file::NONE;
use super::super::frame::What;
use super::{Emitter, RDX};

impl Emitter<'_> {
    /// Has an operation done by the function that the interpreter uses, between slots.
    pub(super) fn atomic(&mut self, op: &Op) {
        let mut entry = AtomicEntry {
            what: AtomicKind::LoadExclusive { pair: false },
            mem: Mem::plain(Size::B8),
            addr: NONE,
            d: [NONE; 2],
            a: [NONE; 2],
            old: [NONE; 2],
        };
        let mut results: [Option<Int>; 2] = [None; 2];
        match *op {
            Op::LoadExclusive { d, addr, mem } => {
                entry.mem = mem;
                entry.addr = self.int_in_slot(addr);
                results[0] = Some(d);
            }
            Op::LoadExclusivePair { d, addr, mem } => {
                entry.what = AtomicKind::LoadExclusive { pair: true };
                entry.mem = mem;
                entry.addr = self.int_in_slot(addr);
                results = d.map(Some);
            }
            Op::StoreExclusive { d, addr, a, mem } => {
                entry.what = AtomicKind::StoreExclusive { pair: false };
                entry.mem = mem;
                entry.addr = self.int_in_slot(addr);
                entry.a[0] = self.int_in_slot(a);
                results[0] = Some(d);
            }
            Op::StoreExclusivePair { d, addr, a, mem } => {
                entry.what = AtomicKind::StoreExclusive { pair: true };
                entry.mem = mem;
                entry.addr = self.int_in_slot(addr);
                entry.a = a.map(|a| self.int_in_slot(a));
                results[0] = Some(d);
            }
            Op::AtomicRmw {
                op,
                d,
                addr,
                a,
                mem,
            } => {
                entry.what = AtomicKind::Rmw(op);
                entry.mem = mem;
                entry.addr = self.int_in_slot(addr);
                entry.a[0] = self.int_in_slot(a);
                results[0] = Some(d);
            }
            Op::AtomicCas {
                d,
                addr,
                old,
                new,
                mem,
            } => {
                entry.what = AtomicKind::Cas { pair: false };
                entry.mem = mem;
                entry.addr = self.int_in_slot(addr);
                entry.old[0] = self.int_in_slot(old);
                entry.a[0] = self.int_in_slot(new);
                results[0] = Some(d);
            }
            Op::AtomicCasPair {
                d,
                addr,
                old,
                new,
                mem,
            } => {
                entry.what = AtomicKind::Cas { pair: true };
                entry.mem = mem;
                entry.addr = self.int_in_slot(addr);
                entry.old = old.map(|a| self.int_in_slot(a));
                entry.a = new.map(|a| self.int_in_slot(a));
                results = d.map(Some);
            }
            _ => return,
        }
        for (slot, d) in entry.d.iter_mut().zip(results) {
            if d.is_some() {
                *slot = self.new_slot();
            }
        }
        self.clear_vectors();
        self.out.atomics.push(entry);
        let number = self.bases.atomics + self.out.atomics.len() as u32 - 1;
        let site = self.site(What::Atomic(number));
        self.constant(RDX, site.into());
        self.call_stub(self.stubs.atomic);
        for (slot, d) in entry.d.into_iter().zip(results) {
            if let Some(d) = d
                && self.ints.value(d.0).uses > 0
            {
                self.ints.put_away(d.0, slot);
            }
        }
    }
}
