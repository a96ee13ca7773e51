//! From decoded A64 instructions to the intermediate representation.
//!
//! One file per encoding group, each the [`Visitor`](crate::decode) of its table. A method reads
//! the row's fields, emits operations and writes back; [`Translator`] has what they share.

mod branch;
mod crc;
mod crypto;
mod dispatch;
mod dp_imm;
mod dp_reg;
mod fp;
mod ldst;
mod operand;
mod region;
mod simd_fp;
mod simd_int;
mod simd_ldst;
mod simd_operand;
mod simd_perm;
mod simd_shift;
mod system;

pub use region::{Scope, refusal, region};

use ferrite_ir::{Builder, Global, HelperId, Int, Mem, Size, Terminator, Vector, Width};

use crate::features::Features;
use crate::state;

/// What translations are specialised for; packed into the code key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Current exception level, 0 to 3.
    pub el: u8,
    /// What the CPU implements.
    pub features: Features,
    /// Whether FP and AdvSIMD instructions trap, and to which exception level.
    pub fp_trap: Option<u8>,
    /// SCTLR_ELx.A: alignment checking of every access.
    pub align_check: bool,
    /// SCTLR_ELx.SA (SA0): stack pointer alignment checking.
    pub sp_check: bool,
    /// SCTLR_ELx.EE (E0E): big-endian data.
    pub big_endian: bool,
    /// PSTATE.UAO or EL0: unprivileged loads and stores are plain ones.
    pub plain_unprivileged: bool,
    /// Software step is active: one instruction per region.
    pub single_step: bool,
    /// Some hardware breakpoint is enabled.
    pub breakpoints: bool,
}

#[cfg(test)]
impl Context {
    /// A kernel with nothing special going on.
    const KERNEL: Self = Self {
        el: 1,
        features: Features::all(),
        fp_trap: None,
        align_check: false,
        sp_check: false,
        big_endian: false,
        plain_unprivileged: false,
        single_step: false,
        breakpoints: false,
    };
}

/// How translation goes on after an instruction.
#[derive(Clone, Debug, PartialEq)]
pub enum Flow {
    /// With the next instruction.
    Next,
    /// The instruction ends the block.
    End(Terminator),
}

/// The instruction is UNDEFINED here: allocated encodings with reserved operands, or a feature that
/// this CPU lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undefined;

/// What every visitor method returns.
pub type Outcome = Result<Flow, Undefined>;

/// State of one region's translation.
pub struct Translator {
    /// Where operations go.
    pub b: Builder,
    /// Address of the instruction being translated.
    pub pc: u64,
    /// The instruction's encoding.
    pub word: u32,
    /// What it is specialised for.
    pub cx: Context,
}

impl Translator {
    /// `W64` for `sf` = 1.
    #[must_use]
    pub fn width(sf: u32) -> Width {
        if sf != 0 { Width::W64 } else { Width::W32 }
    }

    /// Register `n`, 31 being zero. 32-bit instructions read it whole and ignore the upper half.
    pub fn x(&mut self, n: u32) -> Int {
        if n == 31 {
            self.b.iconst(0)
        } else {
            self.b.get(state::x(n))
        }
    }

    /// Register `n`, 31 being the stack pointer.
    pub fn x_or_sp(&mut self, n: u32) -> Int {
        self.b.get(Self::sp_slot(n))
    }

    /// Writes register `n`; 31 discards. Results of 32-bit operations are zero-extended already.
    pub fn set_x(&mut self, n: u32, a: Int) {
        if n != 31 {
            self.b.set(state::x(n), a);
        }
    }

    /// Writes register `n`, 31 being the stack pointer.
    pub fn set_x_or_sp(&mut self, n: u32, a: Int) {
        self.b.set(Self::sp_slot(n), a);
    }

    fn sp_slot(n: u32) -> Global {
        if n == 31 { state::SP } else { state::x(n) }
    }

    /// The whole of vector register `n`.
    pub fn v(&mut self, n: u32) -> Vector {
        self.b.get_vec(state::v(n))
    }

    /// Writes the whole of vector register `n`.
    pub fn set_v(&mut self, n: u32, a: Vector) {
        self.b.set_vec(state::v(n), a);
    }

    /// The address of a load or store based on `rn`, with the stack pointer checked where that is
    /// asked for.
    pub fn base(&mut self, rn: u32) -> Int {
        let base = self.x_or_sp(rn);
        if rn == 31 && self.cx.sp_check {
            self.b.guard(base, 15, helper::SP_ALIGNMENT);
        }
        base
    }

    /// Attributes of a plain data access in this context.
    #[must_use]
    pub fn mem(&self, size: Size) -> Mem {
        let mut mem = Mem::plain(size);
        mem.swap = self.cx.big_endian;
        if self.cx.align_check {
            mem.align = ferrite_ir::Align::Natural;
        }
        mem
    }

    /// To be called first by every FP, AdvSIMD and SIMD load/store method, before it emits anything:
    /// `Some` when such instructions trap here (CPACR_EL1.FPEN), with the flow to return.
    pub fn fp_access(&mut self) -> Option<Flow> {
        let target = self.cx.fp_trap?;
        let target = self.b.iconst(u64::from(target));
        self.b.call_void(helper::FP_ACCESS_TRAP, &[target]);
        Some(Flow::End(Terminator::Exit))
    }
}

/// Helpers that translations call. Arguments are in the descriptions; every one that takes an
/// exception leaves the region.
pub mod helper {
    use super::HelperId;

    macro_rules! helpers {
        ($($(#[$doc:meta])* $name:ident,)*) => {
            #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
            #[repr(u16)]
            enum Number { $($name,)* }
            $($(#[$doc])* pub const $name: HelperId = HelperId(Number::$name as u16);)*
        };
    }

    /// ISB: code that was written is fetched anew.
    pub const ISB: HelperId = HelperId::FETCH_ANEW;

    /// DC ZVA; argument: the address.
    pub const DC_ZVA: HelperId = HelperId::ZERO_BLOCK;

    helpers! {
        /// Stack pointer alignment fault. Leaves.
        SP_ALIGNMENT,
        /// FP/AdvSIMD access trap (EC 0x07); argument: target exception level. Leaves.
        FP_ACCESS_TRAP,
        /// Undefined instruction (EC 0). Leaves.
        UNDEFINED,
        /// SVC; argument: imm16. Leaves.
        SVC,
        /// HVC; argument: imm16. Leaves or returns.
        HVC,
        /// SMC; argument: imm16. Leaves or returns.
        SMC,
        /// BRK; argument: imm16. Leaves.
        BRK,
        /// HLT; argument: imm16. Leaves.
        HLT,
        /// ERET. Leaves.
        ERET,
        /// MRS; arguments: op0:op1:CRn:CRm:op2 packed as in bits 20:5 of the instruction, Rt; returns the value.
        MRS,
        /// MSR (register); arguments: the same packed encoding, the value, Rt.
        MSR,
        /// MSR (immediate); arguments: op1, op2, CRm.
        MSR_IMM,
        /// SYS; arguments: the packed encoding, the value of Rt, Rt (TLBI, IC, DC, AT).
        SYS,
        /// WFI. Leaves when the CPU has to wait.
        WFI,
        /// WFE. Leaves when the CPU has to wait.
        WFE,
        /// SEV.
        SEV,
        /// SEVL.
        SEVL,
        /// YIELD.
        YIELD,
        /// DSB, after its fence. Leaves when there was maintenance to do for others.
        DSB,
        /// MRS of a counter; arguments as of `MRS`, and the bit of CNTKCTL_EL1 that opens it to EL0.
        COUNTER,
        /// Software step completes after the instruction just executed; `slot::PC` already holds the
        /// next address. Argument: whether it was a load-exclusive. Leaves.
        STEP_DONE,
        /// Hardware breakpoint check at an instruction; leaves when one matches.
        BREAKPOINT,
        /// An instruction has just unmasked an interrupt that is pending: it is taken, to return to
        /// the instruction after. Leaves.
        TAKE_INTERRUPT,
    }
}
