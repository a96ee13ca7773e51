//! How blocks begin and end, helpers, guards, barriers.

use std::mem::offset_of;

use dynasm::dynasm;
use dynasmrt::DynasmApi;
use ferrite_ir::{Fence, HelperId, Int, Region, Target, Terminator, slot};
use ferrite_ram::PAGE_SIZE;

use super::super::frame::{Frame, What};
use super::super::slot_at;
use super::{
    Argument, Cold, Emitter, Exit, Guarded, Into, RAX, RCX, RDX, cc, count_insns, immediate,
};

impl Emitter<'_> {
    /// The region's entry: takes the instructions of its first block from the budget.
    pub(super) fn entry(&mut self, insns: u32) {
        self.entry = self.here();
        self.charge(insns);
        let from = self.branch(cc::NOT_GREATER);
        let back = self.here();
        self.cold.push(Cold::Entry { from, back });
    }

    /// `budget -= insns`.
    pub(super) fn charge(&mut self, insns: u32) {
        dynasm!(self.asm ; .arch x64 ; sub QWORD [rbp + slot_at(slot::BUDGET)], insns as i32);
    }

    /// The budget was positive before if it is above `-insns` now: then the region runs all the
    /// same, to use it up.
    pub(super) fn cold_entry(&mut self, region: &Region, from: usize, back: usize) {
        let insns = region.blocks.first().map_or(0, count_insns) as i32;
        self.land(from);
        dynasm!(self.asm ; .arch x64 ; cmp QWORD [rbp + slot_at(slot::BUDGET)], -insns);
        let enough = self.branch(cc::GREATER);
        self.connect(enough, back);
        dynasm!(self.asm ; .arch x64 ; add QWORD [rbp + slot_at(slot::BUDGET)], insns);
        self.out.bail = self.here() as u32;
        self.leave_at(region.entry);
    }

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

    pub(super) fn terminator(&mut self, region: &Region, n: usize, end: &Terminator) {
        match *end {
            Terminator::Goto(target) => self.goto(region, n, target),
            Terminator::Branch { c, then, other } => {
                let condition = self.condition(c);
                self.branch_to(region, n, condition, then);
                self.goto(region, n, other);
            }
            Terminator::Indirect { to, .. } => {
                self.copy_value(RAX, to);
                dynasm!(self.asm ; .arch x64 ; xor r8d, r8d);
                self.jump_stub(self.stubs.jump);
            }
            Terminator::Exit if self.called => {
                dynasm!(self.asm ; .arch x64 ; xor r8d, r8d);
                self.jump_stub(self.stubs.lookup);
            }
            // Something that the code has written by itself may have changed the code generation.
            Terminator::Exit => {
                dynasm!(self.asm ; .arch x64 ; xor eax, eax);
                self.jump_stub(self.stubs.leave);
            }
        }
    }

    fn branch_to(&mut self, region: &Region, n: usize, condition: u8, target: Target) {
        match target {
            Target::Guest(pc) if self.is_near(pc) => {
                let from = self.branch(condition);
                self.near_exit(pc, from);
            }
            _ => {
                let over = self.branch(condition ^ 1);
                self.goto(region, n, target);
                self.land(over);
            }
        }
    }

    fn goto(&mut self, region: &Region, n: usize, target: Target) {
        match target {
            Target::Block(id) => {
                let to = usize::from(id.0);
                if to == 0 {
                    let from = self.jump();
                    self.connect(from, self.entry);
                    return;
                }
                if to <= n {
                    dynasm!(self.asm ; .arch x64 ; cmp QWORD [rbp + slot_at(slot::BUDGET)], 0);
                    let from = self.branch(cc::NOT_GREATER);
                    let pc = block_address(region, to);
                    self.cold.push(Cold::Budget { from, pc });
                }
                let from = self.jump();
                match self.labels[to].at {
                    Some(at) => self.connect(from, at),
                    None => self.labels[to].waiting.push(from),
                }
            }
            Target::Guest(pc) if self.is_near(pc) => {
                let from = self.jump();
                self.near_exit(pc, from);
            }
            Target::Guest(pc) => self.far_exit(pc),
        }
    }

    /// Whether an exit to `pc` may be linked once and for all: whoever runs in a page has had its
    /// mapping checked.
    fn is_near(&self, pc: u64) -> bool {
        pc / PAGE_SIZE == self.page
    }

    fn near_exit(&mut self, pc: u64, from: usize) {
        self.cold.push(Cold::Exit {
            n: self.out.exits.len(),
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
        let half = offset_of!(Frame, generations) as i32 + 8 * (pc >> 55 & 1) as i32;
        dynasm!(self.asm ; .arch x64 ; mov rax, QWORD -1);
        let generation = self.here() as u32 - 8;
        dynasm!(self.asm ; .arch x64 ; cmp rax, [rsp + half]);
        let miss = self.branch(cc::NOT_EQUAL) as u32 - 4;
        let from = self.jump();
        self.cold.push(Cold::Exit {
            n: self.out.exits.len(),
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
    /// guard does not hold.
    pub(super) fn cold_exit(&mut self, n: usize) {
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
            self.jump_stub(self.stubs.jump);
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
        let site = self.site(What::Call(helper));
        self.constant(RDX, site.into());
        self.call_stub(self.stubs.call);
        self.stored_kind = None;
        self.called = true;
        if let Some(d) = d
            && self.ints.value(d.0).uses > 0
        {
            let to = self.result(d);
            self.copy(to, RAX);
        }
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
fn block_address(region: &Region, n: usize) -> u64 {
    let mut ops = region.blocks.get(n).into_iter().flat_map(|b| &b.ops);
    ops.find_map(|op| match op {
        ferrite_ir::Op::Insn { pc } => Some(*pc),
        _ => None,
    })
    .unwrap_or(region.entry)
}
