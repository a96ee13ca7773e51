//! How blocks begin and end, helpers, guards, barriers.

use std::mem::offset_of;

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use ferrite_ir::{BlockId, Fence, HelperId, Int, Mem, Region, Size, Target, Terminator, slot};
use ferrite_ram::PAGE_SIZE;

use super::super::frame::{Frame, What};
use super::super::slot_at;
use super::edges::Store;
use super::{Argument, Cold, Emitter, Exit, Guarded, Into, RAX, RCX, RDX, cc, immediate};
use crate::lookup::Seen;

impl Emitter<'_> {
    /// Leaves, to go on at `pc` some time.
    pub(super) fn leave_at(&mut self, pc: u64) {
        self.store_slot_constant(slot::PC, pc);
        dynasm!(self.asm ; .arch x64 ; xor eax, eax);
        self.jump_stub(self.stubs.leave);
    }

    /// Block `n` starts here.
    pub(super) fn bind(&mut self, n: usize) {
        let here = self.here();
        let label = &mut self.labels[n];
        label.at = Some(here);
        for from in std::mem::take(&mut label.waiting) {
            self.connect(from, here);
        }
    }

    pub(super) fn terminator(&mut self, n: usize, end: &Terminator) {
        match *end {
            Terminator::Goto(target) => {
                if let Target::Block(_) = target {
                    self.settle();
                }
                self.goto(n, target);
            }
            Terminator::Branch { c, then, other } => {
                let condition = self.condition(c);
                if matches!((then, other), (Target::Block(_), _) | (_, Target::Block(_))) {
                    self.settle();
                }
                if then == Target::Block(BlockId(n as u16 + 1)) {
                    self.branch_to(n, condition ^ 1, other);
                } else {
                    self.branch_to(n, condition, then);
                    self.goto(n, other);
                }
            }
            Terminator::Indirect { to, .. } => {
                self.copy_value(RAX, to);
                self.store_newer();
                dynasm!(self.asm ; .arch x64 ; xor r8d, r8d);
                self.look_up(self.stubs.jump);
            }
            Terminator::Exit => {
                self.store_newer();
                if self.called {
                    dynasm!(self.asm ; .arch x64 ; xor r8d, r8d);
                    self.look_up(self.stubs.lookup);
                } else {
                    // Something that the code has written by itself may have changed the code
                    // generation.
                    dynasm!(self.asm ; .arch x64 ; xor eax, eax);
                    self.jump_stub(self.stubs.leave);
                }
            }
        }
    }

    fn branch_to(&mut self, n: usize, condition: u8, target: Target) {
        match target {
            Target::Guest(pc) if self.is_near(pc) => {
                let from = self.branch(condition);
                let stores = self.stores();
                self.near_exit(pc, from, stores);
            }
            Target::Block(id) => {
                let from = self.branch(condition);
                self.lead_to(from, usize::from(id.0));
            }
            Target::Guest(_) => {
                let over = self.branch(condition ^ 1);
                self.goto(n, target);
                self.land(over);
            }
        }
    }

    /// Goes to a target at the end of block `n`. What is known of the registers stays as it is, for
    /// another way out of the block.
    fn goto(&mut self, n: usize, target: Target) {
        match target {
            Target::Block(id) if usize::from(id.0) == n + 1 => {}
            Target::Block(id) => {
                let from = self.jump();
                self.lead_to(from, usize::from(id.0));
            }
            Target::Guest(pc) => {
                let stores = self.stores();
                self.store_all(&stores);
                if self.is_near(pc) {
                    let from = self.jump();
                    self.near_exit(pc, from, Vec::new());
                } else {
                    self.far_exit(pc);
                }
            }
        }
    }

    /// Lets the jump that ends at `from` lead to block `to`.
    fn lead_to(&mut self, from: usize, to: usize) {
        match self.labels[to].at {
            Some(at) => self.connect(from, at),
            None => self.labels[to].waiting.push(from),
        }
    }

    /// Goes on where a look-up stub says.
    fn look_up(&mut self, stub: u32) {
        self.call_stub(stub);
        dynasm!(self.asm ; .arch x64 ; jmp rsi);
    }

    /// Whether an exit to `pc` may be linked once and for all: whoever runs in a page has had its
    /// mapping checked.
    fn is_near(&self, pc: u64) -> bool {
        pc / PAGE_SIZE == self.page
    }

    /// An exit by the jump that ends at `from`, to be taken after `stores`.
    fn near_exit(&mut self, pc: u64, from: usize, stores: Vec<Store>) {
        self.cold.push(Cold::Exit {
            n: self.out.exits.len(),
            stores,
        });
        self.out.exits.push(Exit {
            pc,
            jump: from as u32 - 4,
            unlinked: 0,
            guard: None,
        });
    }

    /// An exit to another page, whose link holds for one code generation.
    fn far_exit(&mut self, pc: u64) {
        let half = (offset_of!(Frame, seen) + offset_of!(Seen, generations)) as i32
            + 8 * (pc >> 55 & 1) as i32;
        dynasm!(self.asm ; .arch x64 ; mov rax, QWORD -1);
        let generation = self.here() as u32 - 8;
        dynasm!(self.asm ; .arch x64 ; cmp rax, [rsp + half]);
        let miss = self.branch(cc::NOT_EQUAL) as u32 - 4;
        let from = self.jump();
        self.cold.push(Cold::Exit {
            n: self.out.exits.len(),
            stores: Vec::new(),
        });
        self.out.exits.push(Exit {
            pc,
            jump: from as u32 - 4,
            unlinked: 0,
            guard: Some(Guarded {
                generation,
                miss,
                look_up: 0,
            }),
        });
    }

    /// What an exit leads to while it is not linked, and, if it is guarded, where it leads when the
    /// guard does not hold. Where something has to be stored first, the jump that is linked is the one
    /// behind that.
    pub(super) fn cold_exit(&mut self, n: usize, stores: &[Store]) {
        if !stores.is_empty() {
            self.land(self.out.exits[n].jump as usize + 4);
            self.store_all(stores);
            let from = self.jump();
            self.out.exits[n].jump = from as u32 - 4;
        }
        let Exit {
            pc, jump, guard, ..
        } = self.out.exits[n];
        let number = self.bases.exits + n as u32 + 1;
        let jump_end = jump as usize + 4;
        let unlinked = self.here() as i32 - jump_end as i32;
        self.connect(jump_end, self.here());
        dynasm!(self.asm ; .arch x64 ; mov eax, number as i32);
        self.jump_stub(self.stubs.leave);
        self.out.exits[n].unlinked = unlinked;
        if let Some(guard) = guard {
            let miss_end = guard.miss as usize + 4;
            self.connect(miss_end, jump_end + unlinked as usize);
            let look_up = self.here() as i32 - miss_end as i32;
            self.constant(RAX, pc);
            dynasm!(self.asm ; .arch x64 ; mov r8d, number as i32);
            self.look_up(self.stubs.jump);
            self.out.exits[n].guard = Some(Guarded { look_up, ..guard });
        }
    }

    /// Calls a stub from the cold part.
    pub(super) fn cold_call(&mut self, stub: u32, site: u32, argument: Argument, result: Into) {
        let (at_args, at_vector) = (
            offset_of!(Frame, args) as i32,
            offset_of!(Frame, vector) as i32,
        );
        match argument {
            Argument::None | Argument::Wide { .. } => {}
            Argument::Atomic {
                address,
                value,
                expected,
            } => self.store_atomic_operands(address, value, expected),
            Argument::Register(register) => self.copy(RCX, register),
            Argument::Constant(value) => self.constant(RCX, value),
            Argument::Vector(x) => {
                dynasm!(self.asm ; .arch x64 ; movups [rsp + at_vector], Rx(x));
            }
            Argument::Helper(register) => {
                dynasm!(self.asm ; .arch x64 ; mov [rsp + at_args], Rq(register));
                for n in 1..4 {
                    dynasm!(self.asm ; .arch x64 ; mov QWORD [rsp + at_args + 8 * n], 0);
                }
            }
        }
        if let Argument::Wide { vectors, integer } = argument {
            self.store_wide_operands(vectors, integer);
        }
        self.constant(RDX, site.into());
        self.call_stub(stub);
        match result {
            Into::Nowhere => {}
            Into::Register(register) => self.copy(register, RAX),
            Into::Slot(register, slot) => self.load_slot(register, slot),
            Into::VectorSlot(x, slot) => self.load_vector_from(x, slot),
            Into::Vector(x) => {
                dynasm!(self.asm ; .arch x64 ; movups Rx(x), [rsp + at_vector]);
            }
        }
    }

    /// Calls a helper, which may look at every global and change it.
    pub(super) fn call(&mut self, helper: HelperId, args: [Option<Int>; 4], d: Option<Int>) {
        let at_args = offset_of!(Frame, args) as i32;
        for (n, arg) in args.into_iter().enumerate() {
            let at = at_args + 8 * n as i32;
            let known = match arg {
                None => Some(0),
                Some(a) => self.known(a),
            };
            match (known.and_then(immediate), arg) {
                (Some(value), _) => dynasm!(self.asm ; .arch x64 ; mov QWORD [rsp + at], value),
                (None, Some(a)) => {
                    self.copy_value(RAX, a);
                    dynasm!(self.asm ; .arch x64 ; mov [rsp + at], rax);
                }
                (None, None) => {}
            }
        }
        self.clear_registers();
        let done = match helper {
            HelperId::ZERO_BLOCK => Some(self.zero_block()),
            HelperId::FETCH_ANEW => Some(self.is_code_unwritten()),
            _ => None,
        };
        let site = self.site(What::Call(helper));
        self.constant(RDX, site.into());
        self.call_stub(self.stubs.call);
        if let Some(done) = done {
            self.land(done);
        }
        self.stored_kind = None;
        self.called = true;
        if let Some(d) = d
            && self.ints.value(d.0).uses > 0
        {
            let to = self.result(d);
            self.copy(to, RAX);
        }
    }

    /// Zeroes the block around the first argument if its page is in the look-aside buffer. Returns
    /// the jump of that case.
    fn zero_block(&mut self) -> usize {
        let unit = Mem::plain(Size::B16);
        dynasm!(self.asm
            ; .arch x64
            ; mov rax, [rsp + offset_of!(Frame, args) as i32]
            ; and rax, -64
        );
        let misses = self.translate(unit, unit.size.bytes(), true);
        dynasm!(self.asm ; .arch x64 ; xorps xmm0, xmm0);
        for at in [0, 16, 32, 48] {
            self.store_vector_at(0, unit.size, at);
        }
        let done = self.jump();
        for miss in misses {
            self.land(miss);
        }
        done
    }

    /// Returns the jump that is taken if no code was written that the engine does not know of.
    fn is_code_unwritten(&mut self) -> usize {
        dynasm!(self.asm
            ; .arch x64
            ; mov rax, [rsp + offset_of!(Frame, code_writes) as i32]
            ; mov rax, [rax]
            ; cmp rax, [rbp + slot_at(slot::CODE_WRITES)]
        );
        self.branch(cc::EQUAL)
    }

    pub(super) fn guard(&mut self, a: Int, mask: u64, helper: HelperId) {
        let condition = self.test_bits(a, mask);
        let register = self.register(a);
        let from = self.branch(condition);
        let back = self.here();
        let site = self.site(What::Call(helper));
        self.cold.push(Cold::Call {
            from: vec![from],
            back,
            stub: self.stubs.guard,
            site,
            argument: Argument::Helper(register),
            result: Into::Nowhere,
            stores: self.stores(),
        });
    }

    /// The host keeps loads in order, and stores.
    pub(super) fn fence(&mut self, fence: Fence) {
        match fence {
            Fence::Load | Fence::Store => {}
            Fence::Full => dynasm!(self.asm ; .arch x64 ; lock or DWORD [rsp - 8], 0),
        }
    }
}

/// The address of a block's first instruction.
pub(super) fn block_address(region: &Region, n: usize) -> u64 {
    let mut ops = region.blocks.get(n).into_iter().flat_map(|b| &b.ops);
    ops.find_map(|op| match op {
        ferrite_ir::Op::Insn { pc } => Some(*pc),
        _ => None,
    })
    .unwrap_or(region.entry)
}
