//! Memory accesses, plain, paired and atomic.

use super::super::code::{Code, NO_SLOT};
use super::super::lowered::{AtomicEntry, AtomicKind, LowerError};
use super::codes::pair_code;
use super::emit::{Emitter, Result, index};
use super::plan::is_plain;
use crate::op::{Block, Int, Mem, Op, Size, Value};
use crate::state::slot;

/// A guest address.
pub(super) enum Address {
    Displaced(u16, u64),
    Indexed { base: u16, index: u16, shift: u64 },
}

impl Emitter {
    pub(super) fn address(&mut self, block: &Block, addr: Int, disp: i32) -> Result<Address> {
        let disp = i64::from(disp) as u64;
        if let Some(value) = self.plan.constant(addr) {
            return Ok(Address::Displaced(slot::ZERO, value.wrapping_add(disp)));
        }
        let Some(&Op::Bin { a, b, .. }) = self.plan.deferred(block, addr) else {
            return Ok(Address::Displaced(self.slot(addr)?, disp));
        };
        let base = self.slot(a)?;
        if let Some(value) = self.plan.constant(b) {
            return Ok(Address::Displaced(base, disp.wrapping_add(value)));
        }
        Ok(match self.plan.deferred(block, b) {
            Some(&Op::Bin { a: x, b: count, .. }) => Address::Indexed {
                base,
                index: self.slot(x)?,
                shift: self.plan.constant(count).unwrap_or(0),
            },
            _ => Address::Indexed {
                base,
                index: self.slot(b)?,
                shift: 0,
            },
        })
    }

    /// An access in its plain form, or with its attributes in a table.
    pub(super) fn access(
        &mut self,
        plain: Option<[Code; 2]>,
        general: Code,
        value: u16,
        address: Address,
        mem: Mem,
    ) -> Result<()> {
        let plain = plain.filter(|_| is_plain(mem));
        match (address, plain) {
            (Address::Displaced(base, disp), Some(codes)) => {
                self.push(codes[0], value, base, 0, disp);
            }
            (Address::Indexed { base, index, shift }, Some(codes)) => {
                self.push(codes[1], value, base, index, shift);
            }
            (Address::Displaced(base, disp), None) => {
                let known = self.tables.mems.iter().position(|&m| m == mem);
                let n = index(known.unwrap_or(self.tables.mems.len()))?;
                if known.is_none() {
                    self.tables.mems.push(mem);
                }
                self.push(general, value, base, n, disp);
            }
            // The plan makes indexed addresses for plain accesses only.
            (Address::Indexed { .. }, None) => return Err(LowerError::TooLarge),
        }
        Ok(())
    }

    pub(super) fn pair(&mut self, block: &Block, first: u32, at: u32) -> Result<()> {
        self.make_way(slot::PC, 1, first.saturating_sub(1))?;
        let (one, two) = (self.plan.op(block, first), self.plan.op(block, at));
        let values = match (one, two) {
            (&Op::Load { d, addr, disp, mem }, &Op::Load { d: e, .. }) => {
                let base = self.slot(addr)?;
                let to = [self.dest_int(d, at)?, self.dest_int(e, at)?];
                let code = pair_code(mem.size).ok_or(LowerError::TooLarge)?[0];
                self.push(code, to[0], base, to[1], i64::from(disp) as u64);
                [addr, d, e]
            }
            (&Op::Store { addr, disp, a, mem }, &Op::Store { a: b, .. }) => {
                let base = self.slot(addr)?;
                let from = [self.slot(a)?, self.slot(b)?];
                let code = pair_code(mem.size).ok_or(LowerError::TooLarge)?[1];
                self.push(code, from[0], base, from[1], i64::from(disp) as u64);
                [addr, a, b]
            }
            _ => return Ok(()),
        };
        for v in values {
            self.release_value(block, Value::Int(v), at);
        }
        Ok(())
    }

    pub(super) fn atomic(&mut self, at: u32, op: &Op) -> Result<()> {
        let mut entry = AtomicEntry {
            what: AtomicKind::LoadExclusive { pair: false },
            mem: Mem::plain(Size::B8),
            addr: slot::ZERO,
            d: [NO_SLOT; 2],
            a: [NO_SLOT; 2],
            old: [NO_SLOT; 2],
        };
        match *op {
            Op::LoadExclusive { addr, mem, .. } | Op::LoadExclusivePair { addr, mem, .. } => {
                let pair = matches!(op, Op::LoadExclusivePair { .. });
                entry.what = AtomicKind::LoadExclusive { pair };
                (entry.addr, entry.mem) = (self.slot(addr)?, mem);
            }
            Op::StoreExclusive { addr, a, mem, .. } => {
                entry.what = AtomicKind::StoreExclusive { pair: false };
                (entry.addr, entry.mem) = (self.slot(addr)?, mem);
                entry.a[0] = self.slot(a)?;
            }
            Op::StoreExclusivePair { addr, a, mem, .. } => {
                entry.what = AtomicKind::StoreExclusive { pair: true };
                (entry.addr, entry.mem) = (self.slot(addr)?, mem);
                entry.a = [self.slot(a[0])?, self.slot(a[1])?];
            }
            Op::AtomicRmw {
                op, addr, a, mem, ..
            } => {
                entry.what = AtomicKind::Rmw(op);
                (entry.addr, entry.mem) = (self.slot(addr)?, mem);
                entry.a[0] = self.slot(a)?;
            }
            Op::AtomicCas {
                addr,
                old,
                new,
                mem,
                ..
            } => {
                entry.what = AtomicKind::Cas { pair: false };
                (entry.addr, entry.mem) = (self.slot(addr)?, mem);
                entry.old[0] = self.slot(old)?;
                entry.a[0] = self.slot(new)?;
            }
            Op::AtomicCasPair {
                addr,
                old,
                new,
                mem,
                ..
            } => {
                entry.what = AtomicKind::Cas { pair: true };
                (entry.addr, entry.mem) = (self.slot(addr)?, mem);
                entry.old = [self.slot(old[0])?, self.slot(old[1])?];
                entry.a = [self.slot(new[0])?, self.slot(new[1])?];
            }
            _ => {}
        }
        let mut defined = Vec::new();
        op.defines(|d| defined.push(d));
        for (to, d) in entry.d.iter_mut().zip(defined) {
            *to = self.dest(d, at)?;
        }
        let n = index(self.tables.atomics.len())?;
        self.tables.atomics.push(entry);
        self.push(Code::Atomic, n, 0, 0, 0);
        Ok(())
    }
}
