//! The interpreter's instructions.
//!
//! An instruction is 16 bytes: a code, three slot numbers and an immediate. Sources and targets are
//! slots of the vCPU block, whether guest register or temporary; the meaning of the fields is in
//! the comment beside each code. Every instruction reads all its sources before it writes.

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instr {
    /// What to do.
    pub code: Code,
    /// First field, mostly the slot written.
    pub a: u16,
    /// Second field, mostly the first slot read.
    pub b: u16,
    /// Third field, mostly the second slot read.
    pub c: u16,
    /// Immediate.
    pub imm: u64,
}

/// Hands the tables of regular instruction families to a macro.
///
/// - `bin`: `a = b op c`, `a = b op imm`;
/// - `un`: `a = op b`;
/// - `compare`: `a = b ? c`; the same with `imm`; branch to exit `c` if `a ? b`, else to exit
///   `c + 1`; with `imm` for `b`; the two branches with the flags of `a - b` stored; the last with
///   the difference in `b` as well; `a = x ? b : c` over slots packed in `imm`;
/// - `shifted`: `a = b op (c shift imm)`;
/// - `load`: `a` from `[b + imm]`, from `[b + (c << imm)]`;
/// - `store`: `a` to the same;
/// - `pair`: two adjacent units `a` and `c` at `[b + imm]`.
macro_rules! tables {
    ($callback:ident) => {
        $callback! {
            bin {
                AddR64 AddI64 Add W64,
                AddR32 AddI32 Add W32,
                SubR64 SubI64 Sub W64,
                SubR32 SubI32 Sub W32,
                MulR64 MulI64 Mul W64,
                MulR32 MulI32 Mul W32,
                MulHighUR64 MulHighUI64 MulHighU W64,
                MulHighUR32 MulHighUI32 MulHighU W32,
                MulHighSR64 MulHighSI64 MulHighS W64,
                MulHighSR32 MulHighSI32 MulHighS W32,
                DivUR64 DivUI64 DivU W64,
                DivUR32 DivUI32 DivU W32,
                DivSR64 DivSI64 DivS W64,
                DivSR32 DivSI32 DivS W32,
                AndR64 AndI64 And W64,
                AndR32 AndI32 And W32,
                OrR64 OrI64 Or W64,
                OrR32 OrI32 Or W32,
                XorR64 XorI64 Xor W64,
                XorR32 XorI32 Xor W32,
                AndNotR64 AndNotI64 AndNot W64,
                AndNotR32 AndNotI32 AndNot W32,
                OrNotR64 OrNotI64 OrNot W64,
                OrNotR32 OrNotI32 OrNot W32,
                XorNotR64 XorNotI64 XorNot W64,
                XorNotR32 XorNotI32 XorNot W32,
                ShlR64 ShlI64 Shl W64,
                ShlR32 ShlI32 Shl W32,
                ShrUR64 ShrUI64 ShrU W64,
                ShrUR32 ShrUI32 ShrU W32,
                ShrSR64 ShrSI64 ShrS W64,
                ShrSR32 ShrSI32 ShrS W32,
                RorR64 RorI64 Ror W64,
                RorR32 RorI32 Ror W32,
            }
            un {
                MovUn64 Mov W64,
                MovUn32 Mov W32,
                NegUn64 Neg W64,
                NegUn32 Neg W32,
                NotUn64 Not W64,
                NotUn32 Not W32,
                ClzUn64 Clz W64,
                ClzUn32 Clz W32,
                ClsUn64 Cls W64,
                ClsUn32 Cls W32,
                ReverseBitsUn64 ReverseBits W64,
                ReverseBitsUn32 ReverseBits W32,
                ReverseBytesUn64 ReverseBytes W64,
                ReverseBytesUn32 ReverseBytes W32,
                ReverseBytes16Un64 ReverseBytes16 W64,
                ReverseBytes16Un32 ReverseBytes16 W32,
                ReverseBytes32Un64 ReverseBytes32 W64,
                ReverseBytes32Un32 ReverseBytes32 W32,
                SignExtend8Un64 SignExtend8 W64,
                SignExtend8Un32 SignExtend8 W32,
                SignExtend16Un64 SignExtend16 W64,
                SignExtend16Un32 SignExtend16 W32,
                SignExtend32Un64 SignExtend32 W64,
                SignExtend32Un32 SignExtend32 W32,
                ZeroExtend8Un64 ZeroExtend8 W64,
                ZeroExtend8Un32 ZeroExtend8 W32,
                ZeroExtend16Un64 ZeroExtend16 W64,
                ZeroExtend16Un32 ZeroExtend16 W32,
                ZeroExtend32Un64 ZeroExtend32 W64,
                ZeroExtend32Un32 ZeroExtend32 W32,
            }
            compare {
                SetEqR64 SetEqI64 BrEqR64 BrEqI64 FlagsBrEqR64 FlagsBrEqI64
                    SubsBrEqI64 SelEqR64 SelEqI64 Eq W64,
                SetEqR32 SetEqI32 BrEqR32 BrEqI32 FlagsBrEqR32 FlagsBrEqI32
                    SubsBrEqI32 SelEqR32 SelEqI32 Eq W32,
                SetNeR64 SetNeI64 BrNeR64 BrNeI64 FlagsBrNeR64 FlagsBrNeI64
                    SubsBrNeI64 SelNeR64 SelNeI64 Ne W64,
                SetNeR32 SetNeI32 BrNeR32 BrNeI32 FlagsBrNeR32 FlagsBrNeI32
                    SubsBrNeI32 SelNeR32 SelNeI32 Ne W32,
                SetLtUR64 SetLtUI64 BrLtUR64 BrLtUI64 FlagsBrLtUR64 FlagsBrLtUI64
                    SubsBrLtUI64 SelLtUR64 SelLtUI64 LtU W64,
                SetLtUR32 SetLtUI32 BrLtUR32 BrLtUI32 FlagsBrLtUR32 FlagsBrLtUI32
                    SubsBrLtUI32 SelLtUR32 SelLtUI32 LtU W32,
                SetLeUR64 SetLeUI64 BrLeUR64 BrLeUI64 FlagsBrLeUR64 FlagsBrLeUI64
                    SubsBrLeUI64 SelLeUR64 SelLeUI64 LeU W64,
                SetLeUR32 SetLeUI32 BrLeUR32 BrLeUI32 FlagsBrLeUR32 FlagsBrLeUI32
                    SubsBrLeUI32 SelLeUR32 SelLeUI32 LeU W32,
                SetLtSR64 SetLtSI64 BrLtSR64 BrLtSI64 FlagsBrLtSR64 FlagsBrLtSI64
                    SubsBrLtSI64 SelLtSR64 SelLtSI64 LtS W64,
                SetLtSR32 SetLtSI32 BrLtSR32 BrLtSI32 FlagsBrLtSR32 FlagsBrLtSI32
                    SubsBrLtSI32 SelLtSR32 SelLtSI32 LtS W32,
                SetLeSR64 SetLeSI64 BrLeSR64 BrLeSI64 FlagsBrLeSR64 FlagsBrLeSI64
                    SubsBrLeSI64 SelLeSR64 SelLeSI64 LeS W64,
                SetLeSR32 SetLeSI32 BrLeSR32 BrLeSI32 FlagsBrLeSR32 FlagsBrLeSI32
                    SubsBrLeSI32 SelLeSR32 SelLeSI32 LeS W32,
            }
            shifted {
                AddShl64 Add Shl W64,
                AddShl32 Add Shl W32,
                AddShrU64 Add ShrU W64,
                AddShrU32 Add ShrU W32,
                AddShrS64 Add ShrS W64,
                AddShrS32 Add ShrS W32,
                SubShl64 Sub Shl W64,
                SubShl32 Sub Shl W32,
                SubShrU64 Sub ShrU W64,
                SubShrU32 Sub ShrU W32,
                SubShrS64 Sub ShrS W64,
                SubShrS32 Sub ShrS W32,
                AndShl64 And Shl W64,
                AndShl32 And Shl W32,
                AndShrU64 And ShrU W64,
                AndShrU32 And ShrU W32,
                AndShrS64 And ShrS W64,
                AndShrS32 And ShrS W32,
                OrShl64 Or Shl W64,
                OrShl32 Or Shl W32,
                OrShrU64 Or ShrU W64,
                OrShrU32 Or ShrU W32,
                OrShrS64 Or ShrS W64,
                OrShrS32 Or ShrS W32,
                XorShl64 Xor Shl W64,
                XorShl32 Xor Shl W32,
                XorShrU64 Xor ShrU W64,
                XorShrU32 Xor ShrU W32,
                XorShrS64 Xor ShrS W64,
                XorShrS32 Xor ShrS W32,
            }
            load {
                LoadB1 LoadB1X u8 B1 Zero,
                LoadB1To32 LoadB1To32X u8 B1 To32,
                LoadB1To64 LoadB1To64X u8 B1 To64,
                LoadB2 LoadB2X u16 B2 Zero,
                LoadB2To32 LoadB2To32X u16 B2 To32,
                LoadB2To64 LoadB2To64X u16 B2 To64,
                LoadB4 LoadB4X u32 B4 Zero,
                LoadB4To64 LoadB4To64X u32 B4 To64,
                LoadB8 LoadB8X u64 B8 Zero,
            }
            store {
                StoreB1 StoreB1X u8 B1,
                StoreB2 StoreB2X u16 B2,
                StoreB4 StoreB4X u32 B4,
                StoreB8 StoreB8X u64 B8,
            }
            pair {
                LoadPairB4 StorePairB4 u32 B4,
                LoadPairB8 StorePairB8 u64 B8,
            }
        }
    };
}
pub(crate) use tables;

macro_rules! define_codes {
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
        /// What an instruction does. Families with regular names are in the `tables` macro of this file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        #[allow(missing_docs)]
        pub enum Code {
            $($bin_r, $bin_i,)*
            $($un,)*
            $($set_r, $set_i, $br_r, $br_i, $flags_r, $flags_i, $subs_i, $sel_r, $sel_i,)*
            $($sh,)*
            $($load, $load_x,)*
            $($store, $store_x,)*
            $($pair_l, $pair_s,)*
            /// `a = b`.
            Mov,
            /// `a = imm`.
            MovI,
            /// `a:a+1 = b:b+1`.
            MovVec,
            /// `a = b[len at lsb]` zero-extended; `imm` is `lsb | len << 8`.
            ExtractU,
            /// The same sign-extended to 64 bits.
            ExtractS64,
            /// The same sign-extended to 32 bits.
            ExtractS32,
            /// `a = b` with a field of `c`; `imm` is `lsb | len << 8`.
            Insert64,
            /// The same, cut to 32 bits.
            Insert32,
            /// `a = low 64 of (b:c) >> imm`.
            Funnel64,
            /// `a = low 32 of (b:c) >> imm`.
            Funnel32,
            /// `a = slot imm != 0 ? b : c`.
            Select,
            /// `a = slot imm + b * c`.
            MulAdd64,
            /// The same at 32 bits.
            MulAdd32,
            /// `a = slot imm - b * c`.
            MulSub64,
            /// The same at 32 bits.
            MulSub32,
            /// Stores flags of kind code `a` over slots `b` and `c`.
            FlagsR,
            /// Stores flags of kind code `a` over slot `b` and `imm`.
            FlagsI,
            /// Stores flags of kind code `a` over slots `b`, `c` and carry slot `imm`.
            FlagsCarry,
            /// `a = b + c`, 64 bits, storing its flags.
            AddsR64,
            /// `a = b + imm`, 64 bits, storing its flags.
            AddsI64,
            /// `a = b - c`, 64 bits, storing its flags.
            SubsR64,
            /// `a = b - imm`, 64 bits, storing its flags.
            SubsI64,
            /// `a = b + c`, 32 bits, storing its flags.
            AddsR32,
            /// `a = b + imm`, 32 bits, storing its flags.
            AddsI32,
            /// `a = b - c`, 32 bits, storing its flags.
            SubsR32,
            /// `a = b - imm`, 32 bits, storing its flags.
            SubsI32,
            /// If slot `a` is not zero, flags of kind code `imm & 0xff` over `b` and `c`, else the
            /// flags `imm >> 32`.
            FlagsIf,
            /// `a = condition b`, by the lazy flags.
            Test,
            /// Branches to exit `c` if condition `a` holds by the lazy flags, else to exit `c + 1`.
            BrTest,
            /// Branches to exit `c` if `a & imm` is not zero, else to exit `c + 1`.
            BrMask,
            /// `a =` the flags.
            GetNzcv,
            /// 1 byte into vector `a` from `[b + imm]`.
            LoadVecB1,
            /// 2 bytes.
            LoadVecB2,
            /// 4 bytes.
            LoadVecB4,
            /// 8 bytes.
            LoadVecB8,
            /// 16 bytes.
            LoadVecB16,
            /// Low byte of vector `a` to `[b + imm]`.
            StoreVecB1,
            /// 2 bytes.
            StoreVecB2,
            /// 4 bytes.
            StoreVecB4,
            /// 8 bytes.
            StoreVecB8,
            /// 16 bytes.
            StoreVecB16,
            /// `a` from `[b + imm]` with the attributes in entry `c`.
            LoadMem,
            /// `a` to `[b + imm]` with the attributes in entry `c`.
            StoreMem,
            /// Vector `a` from `[b + imm]` with the attributes in entry `c`.
            LoadVecMem,
            /// Vector `a` to `[b + imm]` with the attributes in entry `c`.
            StoreVecMem,
            /// Does the atomic or exclusive operation in entry `a`.
            Atomic,
            /// Drops the reservation.
            ClearExclusive,
            /// Does the wide operation in entry `a`.
            Wide,
            /// Orders memory accesses; `a` is 0 for loads, 1 for stores, 2 for both.
            Fence,
            /// `a = helper b` with the slots in the four quarters of `imm` as arguments
            /// ([`NO_SLOT`] for 0); `c` is the mark.
            Call,
            /// Calls helper `b` with `a` if `a & imm` is not zero; `c` is the mark.
            Guard,
            /// Goes to exit `a`.
            Goto,
            /// Leaves for the guest address in `a`.
            Indirect,
            /// Leaves for the guest address in the PC slot, through the full look-up.
            Exit,
        }
    };
}
tables!(define_codes);

/// In place of a slot: none.
pub const NO_SLOT: u16 = u16::MAX;
