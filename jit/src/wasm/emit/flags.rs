//! The guest's flags.

use ferrite_ir::eval::{self, Known};
use ferrite_ir::{Cc, Condition, FlagKind, Int, Width, slot};
use wasm_encoder::{BlockType, ValType};

use super::super::layout::Callee;
use super::super::plan::Flags;
use super::{BLOCK, Emitter};

impl Emitter<'_> {
    pub(super) fn set_flags(&mut self, kind: FlagKind, a: Int, b: Int, c: Int) {
        if self.stored_kind != Some(kind.code()) {
            self.code().local_get(BLOCK).i64_const(kind.code() as i64);
            self.store_slot(slot::FLAG_KIND);
            self.stored_kind = Some(kind.code());
        }
        let operands = [
            (slot::FLAG_A, a, true),
            (slot::FLAG_B, b, kind.reads_b()),
            (slot::FLAG_C, c, kind.reads_c()),
        ];
        for (slot, value, read) in operands {
            if read {
                self.code().local_get(BLOCK);
                self.int(value);
                self.store_slot(slot);
            }
        }
    }

    pub(super) fn set_flags_if(&mut self, c: Int, kind: FlagKind, [a, b]: [Int; 2], other: u32) {
        self.condition(c);
        let chosen = self.locals.temporary(ValType::I32);
        self.code().local_set(chosen);
        let mut code = self.code();
        code.local_get(BLOCK);
        code.i64_const(kind.code() as i64);
        code.i64_const(FlagKind::Nzcv.code() as i64);
        code.local_get(chosen).select();
        self.store_slot(slot::FLAG_KIND);
        self.code().local_get(BLOCK);
        self.int(a);
        self.code().i64_const(other.into());
        self.code().local_get(chosen).select();
        self.store_slot(slot::FLAG_A);
        self.code().local_get(BLOCK);
        self.int(b);
        self.store_slot(slot::FLAG_B);
        self.stored_kind = None;
    }

    /// Pushes N, Z, C, V in bits 31 to 28, by what is in the slots.
    pub(super) fn nzcv(&mut self) {
        self.code().local_get(BLOCK).i32_const(0);
        self.code().call(Callee::Nzcv.index());
        self.code().i64_extend_i32_u();
    }

    /// Pushes 1 if the flags meet a condition, else 0.
    pub(super) fn test(&mut self, cond: Condition, flags: Flags) {
        match flags {
            Flags::Unknown => {
                self.code().local_get(BLOCK).i32_const(cond as i32);
                self.code().call(Callee::Test.index());
            }
            Flags::Of { kind, a, b, c } => self.test_of(cond, kind, [a, b, c]),
            Flags::If {
                c,
                kind,
                a,
                b,
                otherwise,
            } => {
                let other = i32::from(eval::holds(cond, otherwise));
                self.condition(c);
                self.code().if_(BlockType::Result(ValType::I32));
                self.test_of(cond, kind, [a, b, a]);
                self.code().else_().i32_const(other).end();
            }
        }
    }

    fn test_of(&mut self, cond: Condition, kind: FlagKind, operands: [Int; 3]) {
        let [a, b, _] = operands;
        match eval::simplify(cond, kind) {
            Some(Known::Always(value)) => {
                self.code().i32_const(value.into());
            }
            Some(Known::Compare { cc, w, zero, sense }) => {
                self.compare_with_sense(cc, w, a, (!zero).then_some(b), sense);
            }
            None => {
                if !self.test_result(cond, kind, a, b) {
                    self.test_by_function(cond, kind, operands);
                }
            }
        }
    }

    fn compare_with_sense(&mut self, cc: Cc, w: Width, a: Int, b: Option<Int>, sense: bool) {
        let opposite = match cc {
            Cc::Eq => Some(Cc::Ne),
            Cc::Ne => Some(Cc::Eq),
            _ => None,
        };
        match (sense, opposite) {
            (true, _) => self.compare(cc, w, a, b),
            (false, Some(opposite)) => self.compare(opposite, w, a, b),
            (false, None) => {
                self.compare(cc, w, a, b);
                self.code().i32_eqz();
            }
        }
    }

    /// Conditions that only look at a sum or difference; false, with nothing written, for others.
    fn test_result(&mut self, cond: Condition, kind: FlagKind, a: Int, b: Int) -> bool {
        let (w, adds) = match kind {
            FlagKind::Add(w) => (w, true),
            FlagKind::Sub(w) => (w, false),
            _ => return false,
        };
        let carry = matches!(cond, Condition::Cs | Condition::Cc);
        let known = carry && adds
            || matches!(
                cond,
                Condition::Eq | Condition::Ne | Condition::Mi | Condition::Pl
            );
        if !known {
            return false;
        }
        match w {
            Width::W64 => {
                self.int(a);
                self.int(b);
                let mut code = self.code();
                match adds {
                    true => code.i64_add(),
                    false => code.i64_sub(),
                };
                match cond {
                    Condition::Eq | Condition::Ne => code.i64_eqz(),
                    Condition::Mi | Condition::Pl => code.i64_const(0).i64_lt_s(),
                    _ => {
                        self.int(a);
                        self.code().i64_lt_u();
                        return self.negate_if(cond == Condition::Cc);
                    }
                };
            }
            Width::W32 => {
                self.low(a);
                self.low(b);
                let mut code = self.code();
                match adds {
                    true => code.i32_add(),
                    false => code.i32_sub(),
                };
                match cond {
                    Condition::Eq | Condition::Ne => code.i32_eqz(),
                    Condition::Mi | Condition::Pl => code.i32_const(0).i32_lt_s(),
                    _ => {
                        self.low(a);
                        self.code().i32_lt_u();
                        return self.negate_if(cond == Condition::Cc);
                    }
                };
            }
        }
        self.negate_if(matches!(cond, Condition::Ne | Condition::Pl))
    }

    fn negate_if(&mut self, negate: bool) -> bool {
        if negate {
            self.code().i32_eqz();
        }
        true
    }

    fn test_by_function(&mut self, cond: Condition, kind: FlagKind, operands: [Int; 3]) {
        let packed = kind.code() as i32 | (cond as i32) << 8;
        self.code().i32_const(packed);
        let reads = [true, kind.reads_b(), kind.reads_c()];
        for (operand, read) in operands.into_iter().zip(reads) {
            if read {
                self.int(operand);
            } else {
                self.code().i64_const(0);
            }
        }
        self.code().call(Callee::Holds.index());
    }
}
