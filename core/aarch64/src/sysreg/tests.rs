//! The table itself.

use std::collections::HashSet;

use ferrite_ir::VcpuBlock;

use super::row::Direction;
use super::{Body, Encoding, find, table};
use crate::cpu::tests::WFI;
use crate::cpu::tests::machine::{Machine, RAM};

#[test]
fn encodings_and_names_are_unique() {
    let mut encodings = HashSet::new();
    let mut names = HashSet::new();
    for row in table::rows() {
        assert!(encodings.insert(row.encoding), "{}", row.name);
        assert!(names.insert(row.name), "{}", row.name);
        assert!((1..=3).contains(&row.encoding.op0()), "{}", row.name);
    }
}

#[test]
fn a_name_says_its_lowest_level() {
    for row in table::rows() {
        let lowest = row.encoding.lowest_el();
        if row.name.ends_with("_EL0") {
            assert_eq!(lowest, u8::from(row.name == "SP_EL0"), "{}", row.name);
        } else if row.name.ends_with("_EL1") {
            assert_eq!(lowest, 1, "{}", row.name);
        }
        if lowest > 0 {
            assert!(row.el0.is_none() && !row.privileged_write, "{}", row.name);
        }
    }
}

#[test]
fn inline_values_have_no_condition_that_the_translator_would_miss() {
    for row in table::rows() {
        if let Body::Slot {
            mask, ones, effect, ..
        } = row.body
        {
            assert_eq!(row.ends_region, effect.is_some(), "{}", row.name);
            assert_eq!(
                row.reset & !mask & !ones,
                0,
                "{}: reset sets RES0 bits",
                row.name
            );
        }
    }
}

/// MRS (or SYSL) or MSR (or SYS) of an encoding, with X0.
fn instruction(encoding: Encoding, read: bool) -> u32 {
    0xd500_0000 | u32::from(read) << 21 | u32::from(encoding.0) << 5
}

/// Every encoding at EL1. What has no row is UNDEFINED; what can be read is not.
#[test]
fn exactly_the_rows_are_reachable() {
    let mut m = Machine::new("max");
    m.vectors();
    for encoding in (0x4000..=0xffff).map(Encoding) {
        let row = m.with_core(|core, _| find(core, encoding));
        for read in [true, false] {
            let exists = row.is_some_and(|row| row.permits(1, !read));
            let sysl = encoding.op0() == 1 && read;
            let word = instruction(encoding, read);
            if !exists || sysl {
                assert!(m.undefined(word), "{encoding:x?} read {read}");
            } else if read {
                assert!(!m.undefined(word), "{encoding:x?}");
            }
        }
    }
}

#[test]
fn the_identification_space_reads_as_zero() {
    let mut m = Machine::new("max");
    for crm in 1..8 {
        for op2 in 0..8 {
            let encoding = Encoding::new(3, 0, 0, crm, op2);
            let value = m.read(encoding).unwrap();
            let known = table::lookup(encoding).is_some();
            assert!(known || value == 0, "{encoding:x?}");
            assert_eq!(m.write(encoding, 0), Err(super::Denied::Undefined));
        }
    }
}

#[test]
fn stored_registers_keep_their_writable_bits_only() {
    let mut m = Machine::new("max");
    for row in table::rows() {
        let Body::Slot { mask, ones, .. } = row.body else {
            continue;
        };
        let present = m.with_core(|core, _| row.exists(core));
        if !present || row.direction != Direction::Both {
            continue;
        }
        // Not those that would turn translation on or start debugging.
        for value in [0xaaaa_5555_5555_aaaa_u64 & !1, 0] {
            m.write(row.encoding, value).unwrap();
            assert_eq!(
                m.read(row.encoding),
                Ok(value & mask | ones),
                "{}",
                row.name
            );
        }
    }
}

#[test]
fn identification_says_what_is_there() {
    let mut a53 = Machine::new("cortex-a53");
    let mut max = Machine::new("max");
    let id = |m: &mut Machine, name: &str| m.system(name);
    // EL0 and EL1 in AArch64 only, no EL2, no EL3, no GIC registers on this board.
    assert_eq!(id(&mut a53, "ID_AA64PFR0_EL1"), 0x11);
    assert_eq!(id(&mut a53, "ID_AA64DFR0_EL1"), 0x1030_5106);
    assert_eq!(id(&mut a53, "ID_AA64ISAR0_EL1"), 0x0001_1120);
    assert_eq!(id(&mut a53, "ID_AA64MMFR0_EL1"), 0x0000_0122);
    assert_eq!(id(&mut a53, "ID_AA64MMFR1_EL1"), 0);
    assert_eq!(id(&mut max, "ID_AA64PFR0_EL1"), 0x1100_0000_0000_0011);
    assert_eq!(id(&mut max, "ID_AA64ISAR0_EL1"), 0x1021_1120);
    assert_eq!(id(&mut max, "ID_AA64MMFR0_EL1"), 0x0010_0125);
    assert_eq!(id(&mut max, "ID_AA64MMFR1_EL1"), 0x0011_1000);
    assert_eq!(id(&mut max, "ID_AA64MMFR2_EL1"), 0x1000_0000_0000_0010);
    // Cache geometry as the Cortex-A53's manual has it.
    for (select, ccsidr) in [(0, 0x700f_e01a), (1, 0x201f_e00a), (2, 0x707f_e07a), (3, 0)] {
        a53.set_system("CSSELR_EL1", select);
        assert_eq!(id(&mut a53, "CCSIDR_EL1"), ccsidr);
    }
}

#[test]
fn cortex_registers_exist_on_cortex_models_only() {
    let encoding = Encoding::new(3, 1, 15, 2, 1);
    assert_eq!(Machine::new("cortex-a72").read(encoding), Ok(0));
    assert!(Machine::new("max").read(encoding).is_err());
}

impl Machine {
    /// Whether an instruction is UNDEFINED at EL1.
    fn undefined(&mut self, word: u32) -> bool {
        self.code(RAM, &[word, WFI]);
        self.cpu.set_pc(RAM);
        self.set_system("ESR_EL1", 0);
        self.run_to_wfi();
        self.system("ESR_EL1") == 1 << 25 && self.system("ELR_EL1") == RAM
    }

    fn with_core<R>(&mut self, f: impl FnOnce(&mut crate::cpu::CpuCore, &mut VcpuBlock) -> R) -> R {
        self.cpu
            .with_env(&mut self.board, |env, block| f(env.core, block))
    }

    fn read(&mut self, encoding: Encoding) -> Result<u64, super::Denied> {
        self.cpu.with_env(&mut self.board, |env, block| {
            env.read_register(block, encoding)
        })
    }

    fn write(&mut self, encoding: Encoding, value: u64) -> Result<(), super::Denied> {
        self.cpu.with_env(&mut self.board, |env, block| {
            env.write_register(block, encoding, value)
        })
    }
}
