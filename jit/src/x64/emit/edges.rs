//! From block to block: homes in their registers within the region, in their slots outside.

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use ferrite_ir::Region;

use super::super::file::File;
use super::{Cold, Emitter, RAX, cc, count_insns};

/// A register that goes to the slot of the global that it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Store {
    register: u8,
    slot: u16,
    vector: bool,
}

/// A scratch vector register.
const XMM0: u8 = 0;

/// Bytes that a dead region's entry is overwritten with.
const ENTRY_BYTES: usize = 5;

impl Emitter<'_> {
    /// What has to be stored now if somebody looks.
    pub(super) fn stores(&self) -> Vec<Store> {
        let ints = self.ints.newer().map(|(register, slot)| Store {
            register,
            slot,
            vector: false,
        });
        let vectors = self.vectors.newer().map(|(register, slot)| Store {
            register,
            slot,
            vector: true,
        });
        ints.chain(vectors).collect()
    }

    /// Does stores, changing nothing else.
    pub(super) fn store_all(&mut self, stores: &[Store]) {
        for store in stores {
            match store.vector {
                false => self.store_slot(store.slot, store.register),
                true => self.store_vector_slot(store.slot, store.register),
            }
        }
    }

    /// Stores what is newer than its slot.
    pub(super) fn store_newer(&mut self) {
        let stores = self.stores();
        self.store_all(&stores);
        for store in stores {
            match store.vector {
                false => self.ints.set_stored(store.register),
                true => self.vectors.set_stored(store.register),
            }
        }
    }

    /// The start of block `n`: its instructions are taken from the budget, and where control came in
    /// from outside or around a loop, the budget is looked at.
    pub(super) fn start(&mut self, region: &Region, n: usize) {
        let newer = self.homes.newer[n];
        self.ints.start(newer.ints);
        self.vectors.start(newer.vectors);
        if n == 0 {
            self.load_homes();
        }
        self.bind(n);
        let insns = count_insns(&region.blocks[n]) as i32;
        let mut forward = None;
        if n != 0 {
            self.charge(insns);
            if !self.homes.headers[n] {
                return;
            }
            forward = Some(self.skip_always());
            self.labels[n].at = Some(self.here());
        }
        self.charge(insns);
        let from = self.branch(cc::NOT_GREATER);
        let back = self.here();
        if let Some(forward) = forward {
            self.land_short(forward);
        }
        let stores = self.stores();
        self.cold.push(Cold::Entry {
            n,
            from,
            back,
            stores,
        });
    }

    /// `budget -= insns`.
    fn charge(&mut self, insns: i32) {
        match i8::try_from(insns) {
            Ok(insns) => dynasm!(self.asm ; .arch x64 ; sub r14, BYTE insns),
            Err(_) => dynasm!(self.asm ; .arch x64 ; sub r14, insns),
        }
    }

    /// Loads every home, at the region's entry.
    fn load_homes(&mut self) {
        let start = self.here();
        for (register, global) in self.ints.homes() {
            self.load_slot(register, global);
        }
        for (register, global) in self.vectors.homes() {
            self.load_vector_from(register, global);
        }
        // Jumps back lead behind what is overwritten when the region dies.
        while !self.homes.is_empty() && self.here() < start + ENTRY_BYTES {
            dynasm!(self.asm ; .arch x64 ; nop);
        }
    }

    /// Brings every home into its register; the host's flags stay.
    pub(super) fn settle(&mut self) {
        let (copies, loads) = moves(&self.ints);
        for (to, from) in in_order(copies, RAX) {
            self.copy(to, from);
        }
        for (register, global) in loads {
            self.load_slot(register, global);
        }
        self.ints.settle();
        let (copies, loads) = moves(&self.vectors);
        for (to, from) in in_order(copies, XMM0) {
            self.copy_vector(to, from);
        }
        for (register, global) in loads {
            self.load_vector_from(register, global);
        }
        self.vectors.settle();
    }

    /// The budget was positive before if it is above `-insns` now: then the block runs all the same,
    /// to use it up.
    pub(super) fn cold_entry(
        &mut self,
        region: &Region,
        n: usize,
        from: usize,
        back: usize,
        stores: &[Store],
    ) {
        let insns = count_insns(&region.blocks[n]) as i32;
        self.land(from);
        dynasm!(self.asm ; .arch x64 ; cmp r14, -insns);
        let enough = self.branch(cc::GREATER);
        self.connect(enough, back);
        dynasm!(self.asm ; .arch x64 ; add r14, insns);
        self.store_all(stores);
        let pc = super::control::block_address(region, n);
        if n == 0 && stores.is_empty() {
            self.out.bail = self.here() as u32;
        }
        self.leave_at(pc);
        if n == 0 && !stores.is_empty() {
            self.out.bail = self.here() as u32;
            self.leave_at(pc);
        }
    }
}

/// Registers to copy (to, from) and globals to load, for every home to be in its register.
type Moves = (Vec<(u8, u8)>, Vec<(u8, u16)>);

fn moves(file: &File) -> Moves {
    let mut moves = Vec::new();
    let mut loads = Vec::new();
    for (home, global) in file.homes() {
        match file.copy_of(global) {
            Some(register) if register == home => {}
            Some(register) => moves.push((home, register)),
            None => loads.push((home, global)),
        }
    }
    (moves, loads)
}

/// Copies in an order in which none overwrites what another still reads.
fn in_order(mut moves: Vec<(u8, u8)>, scratch: u8) -> Vec<(u8, u8)> {
    let mut done = Vec::with_capacity(moves.len());
    while !moves.is_empty() {
        let is_read = |to: u8| moves.iter().any(|&(_, from)| from == to);
        match moves.iter().position(|&(to, _)| !is_read(to)) {
            Some(n) => done.push(moves.swap_remove(n)),
            None => {
                // A ring: one of its registers goes aside.
                let (to, _) = moves[0];
                done.push((scratch, to));
                for (_, from) in &mut moves {
                    if *from == to {
                        *from = scratch;
                    }
                }
            }
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn every_register_gets_what_its_source_held() {
        // All moves among four registers in which each is written at most once.
        for code in 0..5_u32.pow(4) {
            let source = |n: u32| (code / 5_u32.pow(n) % 5) as u8;
            let moves: Vec<(u8, u8)> = (0..4)
                .filter(|&n| source(n) < 4 && source(n) != n as u8)
                .map(|n| (n as u8, source(n)))
                .collect();
            let mut registers = [0, 1, 2, 3, 99];
            for (to, from) in in_order(moves.clone(), 4) {
                registers[usize::from(to)] = registers[usize::from(from)];
            }
            for (to, from) in moves {
                assert_eq!(registers[usize::from(to)], from, "{code}");
            }
        }
    }
}
