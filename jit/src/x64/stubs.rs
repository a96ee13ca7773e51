//! The code that every region shares.

use std::mem::offset_of;

use dynasm::dynasm;
use dynasmrt::{DynasmApi, SimpleAssembler};
use ferrite_ir::{FlagKind, Width, slot};

use super::frame::{self, Context, FRAME_BYTES, Frame, Returned};
use super::{BIAS, slot_at};
use crate::buffer::CodeBuffer;
use crate::lookup::{JUMPS, JumpEntry, PAGES, PageEntry, Seen, VIEW_MIX};

/// What a stub calls.
type Function = unsafe extern "sysv64" fn(*mut Frame, u64, u64, u32) -> Returned;

/// Offsets of the stubs in the code buffer.
///
/// Those that call into Rust take an address in `rax`, a value in `rcx` and the number of a site in
/// `edx`, return in `rax`, and keep every register but the scratch ones. The `_x` ones keep vector
/// registers too. If the region is to be left they do not return.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stubs {
    /// `fn(context, code, block, guest memory) -> exit`: see [`super::engine`].
    pub enter: u32,
    /// Returns from `enter` with `eax`.
    pub leave: u32,
    /// The code to go on with at the guest address in the PC slot, in `rsi`; `r8d` says through which
    /// exit, or 0. If there is none yet, the run is left. Whoever calls jumps there itself, since
    /// processors predict by the place of a jump where it leads.
    pub lookup: u32,
    /// The same with the address in `rax`, which it stores.
    pub jump: u32,
    /// [`frame::load`].
    pub load: u32,
    pub load_x: u32,
    /// [`frame::store`].
    pub store: u32,
    pub store_x: u32,
    /// [`frame::load_vector`].
    pub load_vector: u32,
    /// [`frame::store_vector`].
    pub store_vector: u32,
    /// [`frame::call`]. Keeps no register.
    pub call: u32,
    /// [`frame::guard`]. Does not return.
    pub guard: u32,
    /// [`frame::atomic`].
    pub atomic: u32,
    pub atomic_x: u32,
    /// [`frame::wide`]. Keeps no vector register.
    pub wide: u32,
    pub wide_x: u32,
    /// Adds to the guest's floating-point status what the host's word says. Keeps every register.
    pub join_status: u32,
    /// Where the constants of [`Pool`] are.
    pub pool: u32,
    /// [`frame::nzcv`]: the flags in `eax`.
    pub nzcv: u32,
    /// Sets the host's flags as a comparison whose outcome the guest's flags are.
    pub flags: u32,
}

/// Registers that a call may change and that hold values; six, so that the stack stays aligned.
const VECTORS: std::ops::Range<u8> = 2..16;

/// What a call stub keeps.
#[derive(Clone, Copy, PartialEq)]
enum Keep {
    Integers,
    All,
}

struct Maker {
    asm: SimpleAssembler,
    origin: usize,
}

impl Maker {
    fn here(&self) -> u32 {
        (self.origin + self.asm.ops.len()) as u32
    }

    /// A jump to a stub that exists.
    fn jump_to(&mut self, to: u32) {
        let from = self.here() as i32 + 5;
        self.asm.push(0xe9);
        self.asm.push_i32(to as i32 - from);
    }

    fn call_to(&mut self, to: u32) {
        let from = self.here() as i32 + 5;
        self.asm.push(0xe8);
        self.asm.push_i32(to as i32 - from);
    }

    /// Bytes of a short conditional jump whose distance [`Self::land`] fills in.
    fn branch(&mut self, condition: u8) -> usize {
        self.asm.push(0x70 | condition);
        self.asm.push(0);
        self.asm.ops.len()
    }

    fn land(&mut self, from: usize) {
        let distance = self.asm.ops.len() - from;
        debug_assert!(distance < 128);
        self.asm.ops[from - 1] = distance as u8;
    }
}

const NOT_EQUAL: u8 = 5;
const EQUAL: u8 = 4;

/// Writes the stubs at the start of a buffer. `None` if it has no room for them.
pub(super) fn make(buffer: &mut CodeBuffer) -> Option<Stubs> {
    let mut m = Maker {
        asm: SimpleAssembler::new(),
        origin: buffer.used(),
    };
    let mut stubs = Stubs::default();
    constants(&mut m, &mut stubs);
    enter_and_leave(&mut m, &mut stubs);
    lookup(&mut m, &mut stubs);
    stubs.load = call(&mut m, &stubs, frame::load, Keep::Integers);
    stubs.load_x = call(&mut m, &stubs, frame::load, Keep::All);
    stubs.store = call(&mut m, &stubs, frame::store, Keep::Integers);
    stubs.store_x = call(&mut m, &stubs, frame::store, Keep::All);
    stubs.load_vector = call(&mut m, &stubs, frame::load_vector, Keep::All);
    stubs.store_vector = call(&mut m, &stubs, frame::store_vector, Keep::All);
    stubs.call = call(&mut m, &stubs, frame::call, Keep::Integers);
    stubs.guard = call(&mut m, &stubs, frame::guard, Keep::Integers);
    stubs.atomic = call(&mut m, &stubs, frame::atomic, Keep::Integers);
    stubs.atomic_x = call(&mut m, &stubs, frame::atomic, Keep::All);
    stubs.wide = call(&mut m, &stubs, frame::wide, Keep::Integers);
    stubs.wide_x = call(&mut m, &stubs, frame::wide, Keep::All);
    stubs.nzcv = call(&mut m, &stubs, frame::nzcv, Keep::All);
    flags(&mut m, &mut stubs);
    buffer.append(&m.asm.ops).then_some(stubs)
}

fn enter_and_leave(m: &mut Maker, stubs: &mut Stubs) {
    stubs.enter = m.here();
    dynasm!(m.asm
        ; .arch x64
        ; push rbx
        ; push rbp
        ; push r12
        ; push r13
        ; push r14
        ; push r15
        ; sub rsp, FRAME_BYTES
        ; mov [rsp + offset_of!(Frame, context) as i32], rdi
        ; mov rax, [rdi + offset_of!(Context, jumps) as i32]
        ; mov [rsp + offset_of!(Frame, jumps) as i32], rax
        ; mov rax, [rdi + offset_of!(Context, pages) as i32]
        ; mov [rsp + offset_of!(Frame, pages) as i32], rax
        ; mov rax, [rdi + offset_of!(Context, code_writes) as i32]
        ; mov [rsp + offset_of!(Frame, code_writes) as i32], rax
        ; mov rax, [rdi + SEEN_GIVEN]
        ; mov [rsp + SEEN], rax
        ; mov rax, [rdi + SEEN_GIVEN + 8]
        ; mov [rsp + SEEN + 8], rax
        ; mov rax, [rdi + SEEN_GIVEN + 16]
        ; mov [rsp + SEEN + 16], rax
        ; lea rbp, [rdx + BIAS]
        ; mov r14, [rbp + BUDGET]
        ; mov r15, rcx
        ; xorps xmm0, xmm0
        ; movups [rsp + TABLES], xmm0
        ; movups [rsp + TABLES + 16], xmm0
        ; movups [rsp + TABLES + 32], xmm0
        ; movups [rsp + TABLES + 48], xmm0
        ; mov DWORD [rsp + CLEAN], CLEAN_STATUS
        ; ldmxcsr [rsp + CLEAN]
        ; jmp rsi
    );
    stubs.join_status = m.here();
    // Behind the return address.
    join_status(m, 8);
    dynasm!(m.asm ; .arch x64 ; ret);
    stubs.leave = m.here();
    join_status(m, 0);
    dynasm!(m.asm
        ; .arch x64
        ; mov [rbp + BUDGET], r14
        ; add rsp, FRAME_BYTES
        ; pop r15
        ; pop r14
        ; pop r13
        ; pop r12
        ; pop rbp
        ; pop rbx
        ; ret
    );
}

const SEEN_GIVEN: i32 = offset_of!(Context, seen) as i32;
const SEEN: i32 = offset_of!(Frame, seen) as i32;
const _: () = assert!(size_of::<Seen>() == 24);

const TABLES: i32 = offset_of!(Frame, tables) as i32;
const _: () = assert!(frame::TABLES * size_of::<u32>() == 64);

/// Where the budget is while other code than that of regions runs, which has it in `r14`.
const BUDGET: i32 = slot_at(slot::BUDGET);

/// Every exception masked and none noted: the processor's state after reset.
const CLEAN_STATUS: i32 = 0x1f80;
const CLEAN: i32 = offset_of!(Frame, clean_status) as i32;

/// Adds what the host's status word says to the guest's, with the frame `above` the stack pointer:
/// of inexact results only, since the others never get so far.
fn join_status(m: &mut Maker, above: i32) {
    const _: () = assert!(slot::FP_STATUS != slot::FP_CONTROL);
    let status = offset_of!(Frame, status) as i32 + above;
    dynasm!(m.asm
        ; .arch x64
        ; stmxcsr [rsp + status]
        ; test BYTE [rsp + status], INEXACT
    );
    let exact = m.branch(EQUAL);
    dynasm!(m.asm
        ; .arch x64
        ; or DWORD [rbp + slot_at(slot::FP_STATUS)], IXC
        ; ldmxcsr [rsp + CLEAN + above]
    );
    m.land(exact);
}

/// The host's flag for an inexact result.
const INEXACT: i8 = 0x20;
/// The guest's (FPSR.IXC).
const IXC: i32 = 0x10;

/// Offsets of 16-byte constants from [`Stubs::pool`].
pub(super) struct Pool;

impl Pool {
    /// Sign bits of single-precision lanes.
    pub const SIGN_S: u32 = 0;
    /// Sign bits of double-precision lanes.
    pub const SIGN_D: u32 = 16;
    /// Exponents of single-precision lanes.
    pub const EXPONENT_S: u32 = 32;
    /// Exponents of double-precision lanes.
    pub const EXPONENT_D: u32 = 48;
    /// The least normal single-precision number.
    pub const LEAST_S: u32 = 64;
    /// The least normal double-precision number.
    pub const LEAST_D: u32 = 80;
}

fn constants(m: &mut Maker, stubs: &mut Stubs) {
    m.asm.align(16, 0xcc);
    stubs.pool = m.here();
    let single = |x: u32| u64::from(x) << 32 | u64::from(x);
    for half in [
        single(1 << 31),
        1 << 63,
        single(0xff << 23),
        0x7ff << 52,
        single(1 << 23),
        1 << 52,
    ] {
        for _ in 0..2 {
            m.asm.extend(half.to_le_bytes());
        }
    }
}

/// The two steps of [`crate::lookup`].
fn lookup(m: &mut Maker, stubs: &mut Stubs) {
    const _: () = assert!(PAGES.is_power_of_two() && size_of::<PageEntry>() == 16);
    const _: () = assert!(JUMPS.is_power_of_two() && size_of::<JumpEntry>() == 16);
    // Behind the return address.
    const VIEWS: i32 = SEEN + offset_of!(Seen, views) as i32 + 8;
    const PAGE_TABLE: i32 = offset_of!(Frame, pages) as i32 + 8;
    const CODE_TABLE: i32 = offset_of!(Frame, jumps) as i32 + 8;
    stubs.jump = m.here();
    dynasm!(m.asm
        ; .arch x64
        ; mov [rbp + slot_at(slot::PC)], rax
    );
    let start = m.asm.ops.len();
    dynasm!(m.asm
        ; .arch x64
        ; mov rdx, rax
        ; shr rdx, 55
        ; and edx, 1
        ; mov edx, [rsp + rdx * 4 + VIEWS]
        ; mov rcx, rax
        ; and rcx, -4096
        ; or rcx, rdx
        ; imul edx, edx, VIEW_MIX
        ; mov esi, eax
        ; shr esi, 12
        ; xor esi, edx
        ; and esi, (PAGES - 1) as i32
        ; shl esi, 4
        ; add rsi, [rsp + PAGE_TABLE]
        ; cmp [rsi + offset_of!(PageEntry, tag) as i32], rcx
    );
    let other = m.branch(NOT_EQUAL);
    dynasm!(m.asm
        ; .arch x64
        ; mov edx, eax
        ; and edx, 4095
        ; or rdx, [rsi + offset_of!(PageEntry, contents) as i32]
        ; mov ecx, edx
        ; shr ecx, 2
        ; mov esi, edx
        ; shr esi, 12
        ; xor esi, ecx
        ; and esi, (JUMPS - 1) as i32
        ; shl esi, 4
        ; add rsi, [rsp + CODE_TABLE]
        ; cmp [rsi + offset_of!(JumpEntry, key) as i32], rdx
    );
    let stale = m.branch(NOT_EQUAL);
    dynasm!(m.asm
        ; .arch x64
        ; mov rsi, [rsi + offset_of!(JumpEntry, code) as i32]
        ; ret
    );
    m.land(other);
    m.land(stale);
    dynasm!(m.asm
        ; .arch x64
        ; mov eax, r8d
        ; add rsp, 8
    );
    m.jump_to(stubs.leave);
    stubs.lookup = m.here();
    dynasm!(m.asm
        ; .arch x64
        ; mov rax, [rbp + slot_at(slot::PC)]
    );
    let from = m.here() as i32 + 5;
    let to = m.origin as i32 + start as i32;
    m.asm.push(0xe9);
    m.asm.push_i32(to - from);
}

fn call(m: &mut Maker, stubs: &Stubs, function: Function, keep: Keep) -> u32 {
    let at = m.here();
    let vectors = if keep == Keep::All {
        16 * VECTORS.len() as i32
    } else {
        0
    };
    // Behind the return address, six registers and what aligns the stack.
    let frame = vectors + 64;
    join_status(m, 8);
    dynasm!(m.asm
        ; .arch x64
        ; mov [rbp + BUDGET], r14
        ; push rsi
        ; push rdi
        ; push r8
        ; push r9
        ; push r10
        ; push r11
        ; sub rsp, vectors + 8
    );
    if keep == Keep::All {
        for (n, x) in VECTORS.enumerate() {
            dynasm!(m.asm ; .arch x64 ; movups [rsp + 16 * n as i32], Rx(x));
        }
    }
    dynasm!(m.asm
        ; .arch x64
        ; lea rdi, [rsp + frame]
        ; mov rsi, rax
        ; xchg rcx, rdx
        ; mov rax, QWORD function as usize as i64
        ; call rax
        ; mov r14, [rbp + BUDGET]
        // Rust code may have computed with numbers of its own.
        ; ldmxcsr [rsp + frame + CLEAN]
    );
    if keep == Keep::All {
        for (n, x) in VECTORS.enumerate() {
            dynasm!(m.asm ; .arch x64 ; movups Rx(x), [rsp + 16 * n as i32]);
        }
    }
    dynasm!(m.asm
        ; .arch x64
        ; add rsp, vectors + 8
        ; pop r11
        ; pop r10
        ; pop r9
        ; pop r8
        ; pop rdi
        ; pop rsi
        ; test edx, edx
    );
    let left = m.branch(NOT_EQUAL);
    dynasm!(m.asm ; .arch x64 ; ret);
    m.land(left);
    dynasm!(m.asm
        ; .arch x64
        ; add rsp, 8
        ; xor r8d, r8d
    );
    m.call_to(stubs.lookup);
    dynasm!(m.asm ; .arch x64 ; jmp rsi);
    at
}

/// After a comparison of what the guest subtracted, the host's flags are the guest's, the carry
/// being a borrow.
fn flags(m: &mut Maker, stubs: &mut Stubs) {
    let kind = |kind: FlagKind| kind.code() as i32;
    let (at_a, at_b) = (slot_at(slot::FLAG_A), slot_at(slot::FLAG_B));
    stubs.flags = m.here();
    dynasm!(m.asm
        ; .arch x64
        ; mov ecx, [rbp + slot_at(slot::FLAG_KIND)]
        ; mov rax, [rbp + at_a]
        ; cmp ecx, kind(FlagKind::Sub(Width::W64))
    );
    let other = m.branch(NOT_EQUAL);
    dynasm!(m.asm ; .arch x64 ; cmp rax, [rbp + at_b] ; ret);
    m.land(other);
    dynasm!(m.asm ; .arch x64 ; cmp ecx, kind(FlagKind::Sub(Width::W32)));
    let other = m.branch(NOT_EQUAL);
    dynasm!(m.asm ; .arch x64 ; cmp eax, [rbp + at_b] ; ret);
    m.land(other);
    dynasm!(m.asm ; .arch x64 ; cmp ecx, kind(FlagKind::Logic(Width::W64)));
    let other = m.branch(NOT_EQUAL);
    dynasm!(m.asm ; .arch x64 ; test rax, rax ; stc ; ret);
    m.land(other);
    dynasm!(m.asm ; .arch x64 ; cmp ecx, kind(FlagKind::Logic(Width::W32)));
    let other = m.branch(NOT_EQUAL);
    dynasm!(m.asm ; .arch x64 ; test eax, eax ; stc ; ret);
    m.land(other);
    let at_c = slot_at(slot::FLAG_C);
    dynasm!(m.asm ; .arch x64 ; cmp ecx, kind(FlagKind::AddCarry(Width::W64)));
    let other = m.branch(NOT_EQUAL);
    dynasm!(m.asm ; .arch x64 ; bt DWORD [rbp + at_c], 0 ; adc rax, [rbp + at_b] ; cmc ; ret);
    m.land(other);
    dynasm!(m.asm ; .arch x64 ; cmp ecx, kind(FlagKind::Add(Width::W64)));
    let other = m.branch(NOT_EQUAL);
    dynasm!(m.asm ; .arch x64 ; add rax, [rbp + at_b] ; cmc ; ret);
    m.land(other);
    dynasm!(m.asm ; .arch x64 ; cmp ecx, kind(FlagKind::Add(Width::W32)));
    let other = m.branch(NOT_EQUAL);
    dynasm!(m.asm ; .arch x64 ; add eax, [rbp + at_b] ; cmc ; ret);
    m.land(other);
    dynasm!(m.asm ; .arch x64 ; cmp ecx, kind(FlagKind::AddCarry(Width::W32)));
    let literal = m.branch(NOT_EQUAL);
    dynasm!(m.asm ; .arch x64 ; bt DWORD [rbp + at_c], 0 ; adc eax, [rbp + at_b] ; cmc ; ret);
    m.land(literal);
    const _: () = assert!(FlagKind::Nzcv.code() == 0, "what is left");
    flags_from_word(m);
}

/// Makes host flags of the word in `eax`.
fn flags_from_word(m: &mut Maker) {
    dynasm!(m.asm
        ; .arch x64
        ; mov ecx, eax
        ; shr ecx, 24 // N, Z, C, V in bits 7 to 4
        ; mov edx, ecx
        ; and edx, 0xc0 // N and Z are where the host's sign and zero flags are
        ; xor ecx, 0x20
        ; mov eax, ecx
        ; shr eax, 5
        ; and eax, 1 // no carry: borrow
        ; or edx, eax
        ; shr ecx, 4
        ; and ecx, 1
        ; mov eax, edx
        ; shl eax, 8
        ; mov al, cl
        ; add al, 0x7f // overflows if V
        ; sahf
        ; ret
    );
}
