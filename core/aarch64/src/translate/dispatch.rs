//! From an instruction word to the visitor of its group.

use ferrite_ir::{Builder, Terminator};

use super::{Context, Flow, Outcome, Translator, Undefined, helper};

/// Tries the decoders of the given groups in turn.
macro_rules! groups {
    ($t:expr, $word:expr, [$($group:ident),*]) => {{
        $(
            if let Some(insn) = crate::decode::$group::decode($word, $t.cx.features) {
                return insn.visit($t);
            }
        )*
        Err(Undefined)
    }};
}

/// The same for groups of floating-point and Advanced SIMD instructions, which may trap unless they
/// are UNDEFINED.
macro_rules! fp_groups {
    ($t:expr, $word:expr, [$($group:ident),*]) => {{
        $(
            if let Some(insn) = crate::decode::$group::decode($word, $t.cx.features) {
                if $t.cx.fp_trap.is_some() {
                    insn.visit(&mut untrapped($t))?;
                }
                return match $t.fp_access() {
                    Some(trapped) => Ok(trapped),
                    None => insn.visit($t),
                };
            }
        )*
        Err(Undefined)
    }};
}

/// A translator that only finds out whether an instruction is UNDEFINED.
fn untrapped(t: &Translator) -> Translator {
    Translator {
        b: Builder::new(t.pc),
        pc: t.pc,
        word: t.word,
        cx: Context {
            fp_trap: None,
            ..t.cx
        },
    }
}

/// Translates the instruction in [`Translator::word`] at [`Translator::pc`]. What is UNDEFINED
/// becomes a call that takes the exception.
pub fn instruction(t: &mut Translator) -> Flow {
    decode(t).unwrap_or_else(|Undefined| {
        t.b.call_void(helper::UNDEFINED, &[]);
        Flow::End(Terminator::Exit)
    })
}

/// The top level of the encoding (Arm ARM C4.1): `op0`, bits 28 to 25, chooses the groups to ask.
/// A new group is added to the list of its `op0`.
fn decode(t: &mut Translator) -> Outcome {
    let word = t.word;
    match word >> 25 & 0xf {
        0b1000 | 0b1001 => groups!(t, word, [dp_imm]),
        0b1010 | 0b1011 => groups!(t, word, [branch, system]),
        0b0100 | 0b1100 => groups!(t, word, [ldst]),
        // Bit 26, V, tells whose registers are moved.
        0b0110 | 0b1110 => fp_groups!(t, word, [simd_ldst]),
        0b0101 | 0b1101 => groups!(t, word, [dp_reg, crc]),
        0b0111 | 0b1111 => {
            fp_groups!(
                t,
                word,
                [simd_int, simd_perm, simd_shift, fp, simd_fp, crypto]
            )
        }
        _ => Err(Undefined),
    }
}
