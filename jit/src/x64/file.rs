//! Which register of a class holds which value or global.
//!
//! Bookkeeping only: whoever uses it writes the code. A register may hold one value under several
//! names, and be a copy of one global at the same time; it is free when it is neither. What is in a
//! register never changes while it has a name.

/// No register, slot or global.
pub(super) const NONE: u16 = u16::MAX;

/// One value of a block: what is known about it, and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    /// Readers.
    pub uses: u32,
    /// Index of the last operation that needs it.
    pub last: u32,
    /// Index of the operation that defines it.
    pub def: u32,
    /// The global that it is written to first, or [`NONE`].
    pub home: u16,
    /// Whether it may be computed in the home register of `home`: nobody looks at the global between
    /// its definition and its being written there.
    pub direct: bool,
    /// Whether its reader computes it.
    pub deferred: bool,
    /// Whether an operation before the one that defines it has written it.
    pub early: bool,
    /// What it is, where that is known.
    pub constant: Option<u64>,
    /// Where it is: register, or [`NONE`].
    pub register: u16,
    /// Where it was put away, or [`NONE`].
    pub slot: u16,
}

impl Value {
    pub const UNKNOWN: Self = Self {
        uses: 0,
        last: 0,
        def: 0,
        home: NONE,
        direct: false,
        deferred: false,
        early: false,
        constant: None,
        register: NONE,
        slot: NONE,
    };

    /// The operation of that index needs it.
    pub(super) fn need(&mut self, at: u32) {
        self.last = self.last.max(at);
    }
}

/// What [`File::take`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// A register with nothing in it.
    Free(u8),
    /// A register with a copy of this global that has to be stored first.
    Newer(u8, u16),
    /// A register with values that have to be put away first.
    Full(u8),
}

/// The registers of a class.
pub(super) struct File {
    pub values: Vec<Value>,
    /// Values that are in registers or put away.
    live: Vec<u32>,
    names: [u8; 16],
    globals: [u16; 16],
    /// Registers with copies that are newer than the globals' slots.
    newer: u16,
    /// The global that has its home in each register, or [`NONE`].
    homes: [u16; 16],
    /// Registers that values go to.
    usable: u16,
    /// Registers that the present operation uses.
    pinned: u16,
    next: u8,
}

impl File {
    pub(super) fn new(usable: u16) -> Self {
        Self {
            values: Vec::new(),
            live: Vec::new(),
            names: [0; 16],
            globals: [NONE; 16],
            newer: 0,
            homes: [NONE; 16],
            usable,
            pinned: 0,
            next: 0,
        }
    }

    /// The homes of this region.
    pub(super) fn set_homes(&mut self, homes: [u16; 16]) {
        self.homes = homes;
    }

    /// Forgets everything but the homes, of which those in `newer` differ from their slots: for
    /// another block.
    pub(super) fn start(&mut self, newer: u16) {
        self.values.clear();
        self.live.clear();
        self.names = [0; 16];
        self.globals = self.homes;
        self.newer = newer;
        self.pinned = 0;
    }

    /// Every home is in its register now.
    pub(super) fn settle(&mut self) {
        let newer: Vec<u16> = self.newer().map(|(_, global)| global).collect();
        self.globals = self.homes;
        self.newer = 0;
        for (register, global) in self.homes() {
            self.newer |= u16::from(newer.contains(&global)) << register;
        }
    }

    /// The home register of a global.
    pub(super) fn home_of(&self, global: u16) -> Option<u8> {
        let found = self.homes.iter().position(|&g| g == global)?;
        (global != NONE).then_some(found as u8)
    }

    /// Every home, with its register.
    pub(super) fn homes(&self) -> impl Iterator<Item = (u8, u16)> + use<> {
        let homes = self.homes.into_iter().enumerate();
        homes
            .filter(|&(_, global)| global != NONE)
            .map(|(register, global)| (register as u8, global))
    }

    /// Whether a register is a copy that is newer than the global's slot.
    pub(super) fn is_newer(&self, register: u8) -> bool {
        self.newer >> register & 1 != 0
    }

    /// From now on it is.
    pub(super) fn set_newer(&mut self, register: u8) {
        self.newer |= 1 << register;
    }

    /// The copy has been stored.
    pub(super) fn set_stored(&mut self, register: u8) {
        self.newer &= !(1 << register);
    }

    /// The registers that are newer than slots, and their globals.
    pub(super) fn newer(&self) -> impl Iterator<Item = (u8, u16)> + use<> {
        let (newer, globals) = (self.newer, self.globals);
        (0..16u8)
            .filter(move |register| newer >> register & 1 != 0)
            .map(move |register| (register, globals[usize::from(register)]))
    }

    pub(super) fn value(&self, v: u32) -> &Value {
        &self.values[v as usize]
    }

    pub(super) fn value_mut(&mut self, v: u32) -> &mut Value {
        if v as usize >= self.values.len() {
            self.values.resize(v as usize + 1, Value::UNKNOWN);
        }
        &mut self.values[v as usize]
    }

    /// Keeps a register from being taken during this operation.
    pub(super) fn pin(&mut self, register: u8) {
        self.pinned |= 1 << register;
    }

    /// Ends an operation.
    pub(super) fn unpin(&mut self) {
        self.pinned = 0;
    }

    /// Whether any register holds something.
    pub(super) fn in_use(&self) -> bool {
        self.names.iter().any(|&n| n != 0) || self.globals.iter().any(|&g| g != NONE)
    }

    /// The register that is a copy of a global.
    pub(super) fn copy_of(&self, global: u16) -> Option<u8> {
        let found = self.globals.iter().position(|&g| g == global)?;
        Some(found as u8)
    }

    /// The global that a register is a copy of, or [`NONE`].
    pub(super) fn global_in(&self, register: u8) -> u16 {
        self.globals[usize::from(register)]
    }

    /// From now on `register` is the copy of `global`.
    pub(super) fn set_copy(&mut self, global: u16, register: u8) {
        self.drop_copy(global);
        self.globals[usize::from(register)] = global;
    }

    /// No register is a copy of `global` any more.
    pub(super) fn drop_copy(&mut self, global: u16) {
        for (register, held) in self.globals.iter_mut().enumerate() {
            if *held == global {
                *held = NONE;
                self.newer &= !(1 << register);
            }
        }
    }

    /// No register is a copy of any global any more.
    pub(super) fn drop_copies(&mut self) {
        self.globals = [NONE; 16];
        self.newer = 0;
    }

    /// A register is no copy any more.
    pub(super) fn drop_register(&mut self, register: u8) {
        self.globals[usize::from(register)] = NONE;
        self.set_stored(register);
    }

    /// How many values are in a register.
    pub(super) fn names(&self, register: u8) -> u8 {
        self.names[usize::from(register)]
    }

    /// What was in `from` is in `to` from now on.
    pub(super) fn rename(&mut self, from: u8, to: u8) {
        for v in self.names_of(from) {
            self.value_mut(v).register = to.into();
            self.names[usize::from(from)] -= 1;
            self.names[usize::from(to)] += 1;
        }
    }

    pub(super) fn is_pinned(&self, register: u8) -> bool {
        self.pinned >> register & 1 != 0
    }

    /// Finds a register for something new: an empty one, else one that is only a copy, of something
    /// that has no home there if there is one, else the one whose values are needed last.
    pub(super) fn take(&mut self) -> Option<Taken> {
        let open = self.usable & !self.pinned;
        let mut copy: Option<(u8, u8)> = None;
        for n in 0..16 {
            let r = (self.next + n) & 15;
            let at = usize::from(r);
            if open >> r & 1 == 0 || self.names[at] != 0 {
                continue;
            }
            if self.globals[at] == NONE {
                self.next = r + 1;
                return Some(Taken::Free(r));
            }
            let at_home = self.globals[at] == self.homes[at];
            let cost = u8::from(at_home) << 1 | u8::from(self.is_newer(r));
            if copy.is_none_or(|(least, _)| cost < least) {
                copy = Some((cost, r));
            }
        }
        if let Some((_, r)) = copy {
            self.next = r + 1;
            let global = self.globals[usize::from(r)];
            let newer = self.is_newer(r);
            self.drop_register(r);
            return Some(match newer {
                true => Taken::Newer(r, global),
                false => Taken::Free(r),
            });
        }
        let held = self.live.iter().map(|&v| self.value(v));
        let held = held.filter(|v| v.register != NONE && open >> v.register & 1 != 0);
        held.max_by_key(|v| v.last)
            .map(|v| Taken::Full(v.register as u8))
    }

    /// Values in a register.
    pub(super) fn names_of(&self, register: u8) -> Vec<u32> {
        let in_it = |&&v: &&u32| self.value(v).register == u16::from(register);
        self.live.iter().filter(in_it).copied().collect()
    }

    /// The values that are in registers.
    pub(super) fn in_registers(&self) -> Vec<u32> {
        let in_any = |&&v: &&u32| self.value(v).register != NONE;
        self.live.iter().filter(in_any).copied().collect()
    }

    /// Whether exactly one value, and no other, is in a register.
    pub(super) fn is_alone(&self, register: u8) -> bool {
        self.names[usize::from(register)] == 1
    }

    /// `v` is in `register` from now on.
    pub(super) fn place(&mut self, v: u32, register: u8) {
        let value = self.value_mut(v);
        let new = value.register == NONE && value.slot == NONE;
        value.register = register.into();
        self.names[usize::from(register)] += 1;
        if new {
            self.live.push(v);
        }
    }

    /// `v` is in `slot` and in no register from now on.
    pub(super) fn put_away(&mut self, v: u32, slot: u16) {
        let value = self.value_mut(v);
        let (register, was) = (value.register, value.slot);
        value.slot = slot;
        value.register = NONE;
        if register != NONE {
            self.names[usize::from(register)] -= 1;
        } else if was == NONE {
            self.live.push(v);
        }
    }

    /// `v` is nowhere any more; its register may hold another.
    pub(super) fn release(&mut self, v: u32) {
        let register = self.value(v).register;
        if register != NONE {
            self.names[usize::from(register)] -= 1;
        }
        let value = self.value_mut(v);
        value.register = NONE;
        value.slot = NONE;
        self.live.retain(|&other| other != v);
    }

    /// Releases what no operation after `at` needs.
    pub(super) fn release_until(&mut self, at: u32) {
        let mut n = 0;
        while let Some(&v) = self.live.get(n) {
            if self.value(v).last <= at {
                let register = self.value(v).register;
                if register != NONE {
                    self.names[usize::from(register)] -= 1;
                }
                let value = self.value_mut(v);
                value.register = NONE;
                value.slot = NONE;
                self.live.swap_remove(n);
            } else {
                n += 1;
            }
        }
    }
}
