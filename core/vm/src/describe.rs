//! Texts about a machine, in the layout that QEMU's users and scripts know.

use std::fmt::Write;

use ferrite_aarch64::cpu::Cpu;
use ferrite_ir::engine::Figure;
use ferrite_machine::RegionKind;
use ferrite_machine::bus::MappedRegion;

use crate::Vm;

/// The general registers, and those for floating point while they can be used, as `info registers`
/// shows them.
#[must_use]
pub fn registers(cpu: &Cpu) -> String {
    let mut text = format!(" PC={:016x} ", cpu.pc());
    for n in 0..31 {
        let end = if n % 3 == 1 { '\n' } else { ' ' };
        // Writing to a string cannot fail.
        let _ = write!(text, "X{n:02}={:016x}{end}", cpu.x(n));
    }
    let pstate = cpu.pstate();
    let flag = |bit: u32, name: char| if pstate >> bit & 1 != 0 { name } else { '-' };
    let flags: String = [flag(31, 'N'), flag(30, 'Z'), flag(29, 'C'), flag(28, 'V')]
        .into_iter()
        .collect();
    let stack = if pstate & 1 != 0 { 'h' } else { 't' };
    let _ = writeln!(text, " SP={:016x}", cpu.sp());
    let _ = write!(
        text,
        "PSTATE={pstate:08x} {flags} EL{}{stack}",
        cpu.exception_level()
    );
    let Some((fpcr, fpsr)) = cpu.float_control() else {
        text.push_str("    FPU disabled\n");
        return text;
    };
    let _ = writeln!(text, "     FPCR={fpcr:08x} FPSR={fpsr:08x}");
    for n in 0..32 {
        let (value, end) = (cpu.v(n), if n % 2 == 1 { '\n' } else { ' ' });
        let (high, low) = ((value >> 64) as u64, value as u64);
        let _ = write!(text, "Q{n:02}={high:016x}:{low:016x}{end}");
    }
    text
}

/// A register by the name that monitor expressions use, without the dollar sign.
#[must_use]
pub fn register(cpu: &Cpu, name: &str) -> Option<u64> {
    match name {
        "pc" => Some(cpu.pc()),
        "sp" => Some(cpu.sp()),
        "cpsr" | "pstate" => Some(cpu.pstate()),
        "lr" => Some(cpu.x(30)),
        _ => {
            let number: u32 = name.strip_prefix('x')?.parse().ok()?;
            (number < 31).then(|| cpu.x(number))
        }
    }
}

/// The memory map, as `info mtree` shows it.
#[must_use]
pub fn memory_map(regions: &[MappedRegion], flat: bool) -> String {
    let mut text = String::from(if flat {
        "FlatView #0\n AS \"memory\", root: system\n Root memory region: system\n"
    } else {
        "address-space: memory\n  0000000000000000-ffffffffffffffff (prio 0, i/o): system\n"
    });
    for region in regions {
        let kind = match region.kind {
            RegionKind::Ram(_) => "ram",
            RegionKind::Rom(..) => "romd",
            RegionKind::Device(..) => "i/o",
        };
        let indent = if flat { "  " } else { "    " };
        let last = region.base.0 + (region.len - 1);
        let _ = writeln!(
            text,
            "{indent}{:016x}-{last:016x} (prio 0, {kind}): {}",
            region.base.0, region.name
        );
    }
    text.push('\n');
    text
}

/// How guest code is translated, as `info jit` shows it: what every engine counts, then what the first
/// of them tells of itself.
#[must_use]
pub fn jit(vm: &Vm) -> String {
    let stats = vm.stats();
    let mut text = format!(
        "Translation buffer state:\nTB count            {}\nTB guest instructions {}\n\n\
         Statistics:\nTB flush count      {}\nTB invalidate count {}\n\
         jump cache lookups  {}\njump cache misses   {}\n",
        stats.regions, stats.insns, stats.flushes, stats.invalidations, stats.lookups, stats.misses
    );
    for Figure { name, value } in vm.engine().figures() {
        let _ = writeln!(text, "{name:19} {value}");
    }
    text
}
