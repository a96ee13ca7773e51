//! Which code an operation has.

use super::super::code::{Code, tables};
use crate::op::{BinOp, Cc, FlagKind, Sign, Size, UnOp, Width};

/// Codes of a comparison.
pub(super) struct CompareCodes {
    pub set: [Code; 2],
    pub branch: [Code; 2],
    pub flags_branch: [Code; 2],
    pub subs_branch: Code,
    pub select: [Code; 2],
}

macro_rules! define_code_tables {
    (
        bin { $($bin_r:ident $bin_i:ident $bin_op:ident $bin_w:ident,)* }
        un { $($un:ident $un_op:ident $un_w:ident,)* }
        compare { $($set_r:ident $set_i:ident $br_r:ident $br_i:ident $flags_r:ident $flags_i:ident
                    $subs_i:ident $sel_r:ident $sel_i:ident $cc:ident $cc_w:ident,)* }
        shifted { $($sh:ident $sh_op:ident $sh_by:ident $sh_w:ident,)* }
        load { $($load:ident $load_x:ident $load_t:ident $load_size:ident $load_sign:ident,)* }
        store { $($store:ident $store_x:ident $store_t:ident $store_size:ident,)* }
        pair { $($pair_l:ident $pair_s:ident $pair_t:ident $pair_size:ident,)* }
    ) => {
        /// Register and immediate form.
        pub(super) fn bin_code(op: BinOp, w: Width) -> [Code; 2] {
            match (op, w) {
                $((BinOp::$bin_op, Width::$bin_w) => [Code::$bin_r, Code::$bin_i],)*
            }
        }

        pub(super) fn un_code(op: UnOp, w: Width) -> Code {
            match (op, w) {
                $((UnOp::$un_op, Width::$un_w) => Code::$un,)*
            }
        }

        /// Pairs are of register and immediate form.
        pub(super) fn compare_codes(cc: Cc, w: Width) -> CompareCodes {
            match (cc, w) {
                $((Cc::$cc, Width::$cc_w) => CompareCodes {
                    set: [Code::$set_r, Code::$set_i],
                    branch: [Code::$br_r, Code::$br_i],
                    flags_branch: [Code::$flags_r, Code::$flags_i],
                    subs_branch: Code::$subs_i,
                    select: [Code::$sel_r, Code::$sel_i],
                },)*
            }
        }

        pub(super) fn shifted_code(op: BinOp, by: BinOp, w: Width) -> Option<Code> {
            Some(match (op, by, w) {
                $((BinOp::$sh_op, BinOp::$sh_by, Width::$sh_w) => Code::$sh,)*
                _ => return None,
            })
        }

        /// Displaced and indexed form.
        pub(super) fn load_code(size: Size, sign: Sign) -> Option<[Code; 2]> {
            // Extension to what is loaded anyway is none.
            let sign = match (size, sign) {
                (Size::B4, Sign::To32) | (Size::B8, _) => Sign::Zero,
                (_, sign) => sign,
            };
            Some(match (size, sign) {
                $((Size::$load_size, Sign::$load_sign) => [Code::$load, Code::$load_x],)*
                _ => return None,
            })
        }

        pub(super) fn store_code(size: Size) -> Option<[Code; 2]> {
            Some(match size {
                $(Size::$store_size => [Code::$store, Code::$store_x],)*
                Size::B16 => return None,
            })
        }

        /// Load and store of a pair.
        pub(super) fn pair_code(size: Size) -> Option<[Code; 2]> {
            Some(match size {
                $(Size::$pair_size => [Code::$pair_l, Code::$pair_s],)*
                _ => return None,
            })
        }
    };
}
tables!(define_code_tables);

pub(super) fn vector_codes(size: Size) -> [Code; 2] {
    match size {
        Size::B1 => [Code::LoadVecB1, Code::StoreVecB1],
        Size::B2 => [Code::LoadVecB2, Code::StoreVecB2],
        Size::B4 => [Code::LoadVecB4, Code::StoreVecB4],
        Size::B8 => [Code::LoadVecB8, Code::StoreVecB8],
        Size::B16 => [Code::LoadVecB16, Code::StoreVecB16],
    }
}

/// Sum or difference that stores its flags, register and immediate form.
pub(super) fn arith_flags_code(kind: FlagKind) -> Option<[Code; 2]> {
    Some(match kind {
        FlagKind::Add(Width::W64) => [Code::AddsR64, Code::AddsI64],
        FlagKind::Add(Width::W32) => [Code::AddsR32, Code::AddsI32],
        FlagKind::Sub(Width::W64) => [Code::SubsR64, Code::SubsI64],
        FlagKind::Sub(Width::W32) => [Code::SubsR32, Code::SubsI32],
        _ => return None,
    })
}
