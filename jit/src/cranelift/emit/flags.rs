//! The guest's lazy flags.

use cranelift_codegen::ir::{AbiParam, InstBuilder, Signature, Value, condcodes::IntCC, types};
use cranelift_codegen::isa::CallConv;
use ferrite_ir::{Condition, FlagKind, Int, Width, eval, slot};

use super::super::flow::flag_operands;
use super::super::frame;
use super::{Emitter, Flags};

/// The signature of [`frame::nzcv`].
pub(super) fn nzcv_signature(convention: CallConv) -> Signature {
    let mut signature = Signature::new(convention);
    signature.params = vec![AbiParam::new(types::I64); 4];
    signature.returns = vec![AbiParam::new(types::I64)];
    signature
}

/// Which of N, Z, C and V.
#[derive(Clone, Copy, PartialEq)]
enum Flag {
    N,
    Z,
    C,
    V,
}

impl Flag {
    fn bit(self) -> u32 {
        match self {
            Self::N => eval::N,
            Self::Z => eval::Z,
            Self::C => eval::C,
            Self::V => eval::V,
        }
    }
}

/// The operands of flags whose kind is known.
#[derive(Clone, Copy)]
struct Operands {
    kind: FlagKind,
    a: Value,
    b: Value,
    c: Value,
}

impl Emitter<'_> {
    pub(super) fn set_flags(&mut self, kind: FlagKind, a: Int, b: Int, c: Int) {
        let code = self.constant(kind.code());
        self.set_kept(slot::FLAG_KIND, code);
        let a = self.int(a);
        let b = if kind.reads_b() { self.int(b) } else { a };
        let c = if kind.reads_c() { self.int(c) } else { a };
        for (&slot, value) in flag_operands(kind).iter().zip([a, b, c]) {
            self.set_kept(slot, value);
        }
        self.flags = Flags::Of { kind, a, b, c };
    }

    pub(super) fn set_flags_if(&mut self, c: Int, kind: FlagKind, a: Int, b: Int, otherwise: u32) {
        let c = self.condition(c);
        let c = self.b.ins().icmp_imm_s(IntCC::NotEqual, c, 0);
        let (a, b) = (self.int(a), self.int(b));
        let code = self.constant(kind.code());
        let literal = self.constant(FlagKind::Nzcv.code());
        let code = self.b.ins().select(c, code, literal);
        self.set_kept(slot::FLAG_KIND, code);
        let word = self.constant(otherwise.into());
        let first = self.b.ins().select(c, a, word);
        self.set_kept(slot::FLAG_A, first);
        self.set_kept(slot::FLAG_B, b);
        self.flags = Flags::If {
            c,
            kind,
            a,
            b,
            otherwise,
        };
    }

    /// Whether a condition holds, 0 or 1.
    pub(super) fn test(&mut self, cond: Condition) -> Value {
        match self.flags {
            Flags::Of { kind, a, b, c } => self.holds(cond, Operands { kind, a, b, c }),
            Flags::If {
                c,
                kind,
                a,
                b,
                otherwise,
            } => {
                let then = self.holds(cond, Operands { kind, a, b, c: a });
                let other = self.truth(eval::holds(cond, otherwise));
                self.b.ins().select(c, then, other)
            }
            Flags::Unknown => {
                let word = self.unknown_nzcv();
                self.holds(cond, literal(word))
            }
        }
    }

    /// The flag word.
    pub(super) fn nzcv(&mut self) -> Value {
        match self.flags {
            Flags::Of { kind, a, b, c } => self.word(Operands { kind, a, b, c }),
            Flags::If {
                c,
                kind,
                a,
                b,
                otherwise,
            } => {
                let then = self.word(Operands { kind, a, b, c: a });
                let other = self.constant(otherwise.into());
                self.b.ins().select(c, then, other)
            }
            Flags::Unknown => self.unknown_nzcv(),
        }
    }

    fn unknown_nzcv(&mut self) -> Value {
        let args = super::flow::FLAGS.map(|slot| self.get_kept(slot));
        let callee = self.constant(frame::nzcv as *const () as usize as u64);
        let call = self
            .b
            .ins()
            .call_indirect(self.signatures.nzcv, callee, &args);
        let word = self.b.inst_results(call)[0];
        self.flags = Flags::Of {
            kind: FlagKind::Nzcv,
            a: word,
            b: word,
            c: word,
        };
        word
    }

    fn word(&mut self, o: Operands) -> Value {
        if o.kind == FlagKind::Nzcv {
            return self.b.ins().band_imm_u(o.a, 0xf000_0000);
        }
        let mut word = None;
        for flag in [Flag::N, Flag::Z, Flag::C, Flag::V] {
            let holds = self.flag(flag, o);
            let holds = self.b.ins().uextend(types::I64, holds);
            let at = i64::from(flag.bit().trailing_zeros());
            let bit = self.b.ins().ishl_imm_u(holds, at);
            word = Some(match word {
                None => bit,
                Some(word) => self.b.ins().bor(word, bit),
            });
        }
        word.unwrap_or(o.a)
    }

    fn truth(&mut self, holds: bool) -> Value {
        self.b.ins().iconst(types::I8, i64::from(holds))
    }

    fn not(&mut self, condition: Value) -> Value {
        self.b.ins().bxor_imm_u(condition, 1)
    }

    fn holds(&mut self, cond: Condition, o: Operands) -> Value {
        match eval::simplify(cond, o.kind) {
            Some(eval::Known::Always(holds)) => return self.truth(holds),
            Some(eval::Known::Compare { cc, w, zero, sense }) => {
                let b = if zero { self.constant(0) } else { o.b };
                return self.compare(cc, w, o.a, b, sense);
            }
            None => {}
        }
        let (positive, inverted) = match cond {
            Condition::Eq | Condition::Ne => (Condition::Eq, cond == Condition::Ne),
            Condition::Cs | Condition::Cc => (Condition::Cs, cond == Condition::Cc),
            Condition::Mi | Condition::Pl => (Condition::Mi, cond == Condition::Pl),
            Condition::Vs | Condition::Vc => (Condition::Vs, cond == Condition::Vc),
            Condition::Hi | Condition::Ls => (Condition::Hi, cond == Condition::Ls),
            Condition::Ge | Condition::Lt => (Condition::Lt, cond == Condition::Ge),
            Condition::Gt | Condition::Le => (Condition::Le, cond == Condition::Gt),
            Condition::Al | Condition::Nv => return self.truth(true),
        };
        let holds = match positive {
            Condition::Eq => self.flag(Flag::Z, o),
            Condition::Cs => self.flag(Flag::C, o),
            Condition::Mi => self.flag(Flag::N, o),
            Condition::Vs => self.flag(Flag::V, o),
            Condition::Hi => {
                let (c, z) = (self.flag(Flag::C, o), self.flag(Flag::Z, o));
                let not_z = self.not(z);
                self.b.ins().band(c, not_z)
            }
            Condition::Lt => self.less(o),
            _ => {
                let (less, z) = (self.less(o), self.flag(Flag::Z, o));
                self.b.ins().bor(less, z)
            }
        };
        if inverted { self.not(holds) } else { holds }
    }

    /// Whether N differs from V.
    fn less(&mut self, o: Operands) -> Value {
        let (n, v) = (self.flag(Flag::N, o), self.flag(Flag::V, o));
        self.b.ins().bxor(n, v)
    }

    /// One of the flags, 0 or 1. What several have in common the code generator computes once.
    fn flag(&mut self, flag: Flag, o: Operands) -> Value {
        let w = match o.kind {
            FlagKind::Nzcv => {
                let at = i64::from(flag.bit().trailing_zeros());
                let bit = self.b.ins().ushr_imm_u(o.a, at);
                let bit = self.b.ins().ireduce(types::I8, bit);
                return self.b.ins().band_imm_u(bit, 1);
            }
            FlagKind::Add(w) | FlagKind::Sub(w) | FlagKind::AddCarry(w) | FlagKind::Logic(w) => w,
        };
        let (a, b) = (self.narrow(w, o.a), self.narrow(w, o.b));
        let carry = self.carry_in(w, o);
        let result = match o.kind {
            FlagKind::Sub(_) => self.b.ins().isub(a, b),
            FlagKind::Logic(_) | FlagKind::Nzcv => a,
            FlagKind::Add(_) => self.b.ins().iadd(a, b),
            FlagKind::AddCarry(_) => {
                let sum = self.b.ins().iadd(a, b);
                self.b.ins().iadd(sum, carry)
            }
        };
        match flag {
            Flag::N => self.is_negative(result),
            Flag::Z => self.is_zero(result),
            Flag::C => self.carry_out(o.kind, a, b, result),
            Flag::V => {
                let (x, y) = match o.kind {
                    FlagKind::Sub(_) => (self.b.ins().bxor(a, b), self.b.ins().bxor(a, result)),
                    FlagKind::Add(_) | FlagKind::AddCarry(_) => {
                        (self.b.ins().bxor(a, result), self.b.ins().bxor(b, result))
                    }
                    FlagKind::Logic(_) | FlagKind::Nzcv => return self.truth(false),
                };
                let both = self.b.ins().band(x, y);
                self.is_negative(both)
            }
        }
    }

    fn carry_in(&mut self, w: Width, o: Operands) -> Value {
        match o.kind {
            FlagKind::AddCarry(_) => {
                let carry = self.b.ins().band_imm_u(o.c, 1);
                self.narrow(w, carry)
            }
            _ => self.narrow(w, o.a),
        }
    }

    fn carry_out(&mut self, kind: FlagKind, a: Value, b: Value, result: Value) -> Value {
        let below = IntCC::UnsignedLessThan;
        match kind {
            FlagKind::Add(_) => self.b.ins().icmp(below, result, a),
            FlagKind::Sub(_) => self.b.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, a, b),
            FlagKind::AddCarry(_) => {
                let sum = self.b.ins().iadd(a, b);
                let first = self.b.ins().icmp(below, sum, a);
                let second = self.b.ins().icmp(below, result, sum);
                self.b.ins().bor(first, second)
            }
            FlagKind::Logic(_) | FlagKind::Nzcv => self.truth(false),
        }
    }

    fn is_negative(&mut self, value: Value) -> Value {
        self.b.ins().icmp_imm_s(IntCC::SignedLessThan, value, 0)
    }
}

fn literal(word: Value) -> Operands {
    Operands {
        kind: FlagKind::Nzcv,
        a: word,
        b: word,
        c: word,
    }
}
