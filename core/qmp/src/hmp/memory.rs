//! Showing memory and values.

use super::Human;
use super::arguments::{Arguments, Cursor};
use crate::commands::MemorySpace;
use crate::error::Error;

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notation {
    Octal,
    Decimal,
    Unsigned,
    Hexadecimal,
    Character,
    Instruction,
}

/// What `/fmt` stands for when it leaves something out: what was used last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DumpFormat {
    notation: Notation,
    size: u64,
}

impl Default for DumpFormat {
    fn default() -> Self {
        Self {
            notation: Notation::Hexadecimal,
            size: 4,
        }
    }
}

/// A parsed `/fmt`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    count: u64,
    notation: Notation,
    size: u64,
}

/// Bytes that one command shows at most.
const MOST: u64 = 4 << 20;

/// The longest instruction of any guest, in bytes.
const INSTRUCTION: u64 = 16;

/// Reads `/fmt`: a count, then letters for notation and size in any order.
pub(super) fn format(cursor: &mut Cursor<'_>, last: &mut DumpFormat) -> Result<Format, String> {
    let DumpFormat { notation, size } = *last;
    let mut out = Format {
        count: 1,
        notation,
        size,
    };
    if !cursor.eat('/') {
        return Ok(out);
    }
    let count = cursor.take_while(|c| c.is_ascii_digit());
    if !count.is_empty() {
        out.count = count.parse().unwrap_or(u64::MAX);
    }
    while let Some(c) = cursor.peek() {
        match c {
            'o' => out.notation = Notation::Octal,
            'd' => out.notation = Notation::Decimal,
            'u' => out.notation = Notation::Unsigned,
            'x' => out.notation = Notation::Hexadecimal,
            'c' => out.notation = Notation::Character,
            'i' => out.notation = Notation::Instruction,
            'b' => out.size = 1,
            'h' => out.size = 2,
            'w' => out.size = 4,
            'g' | 'L' => out.size = 8,
            _ => break,
        }
        cursor.eat(c);
    }
    if let Some(c) = cursor.peek().filter(|c| !c.is_whitespace()) {
        return Err(format!("invalid char in format: '{c}'"));
    }
    last.notation = out.notation;
    last.size = out.size;
    Ok(out)
}

impl Human<'_> {
    fn read(&mut self, space: MemorySpace, at: u64, into: &mut [u8]) -> bool {
        match space {
            MemorySpace::Virtual(cpu) => self.vm.read_virtual(cpu, at, into),
            MemorySpace::Physical => self.vm.read_physical(at, into),
        }
        .is_ok()
    }
}

/// Shows memory: a line per 16 bytes (8 for bytes), its address in front.
pub(super) fn dump(
    human: &mut Human<'_>,
    arguments: &Arguments,
    space: MemorySpace,
) -> Result<(), Error> {
    let Some(format) = arguments.format else {
        return Ok(());
    };
    let mut at = arguments.number(0).cast_unsigned();
    if format.notation == Notation::Instruction {
        return instructions(human, format.count, at, space);
    }
    let mut left = format.count.saturating_mul(format.size);
    if left > MOST {
        return Err(Error::generic(format!(
            "at most {MOST} bytes can be shown at once"
        )));
    }
    let line_size = if format.size == 1 { 8 } else { 16 };
    // Characters are bytes whatever the size.
    let size = match format.notation {
        Notation::Character => 1,
        _ => format.size,
    };
    let mut buffer = [0; 16];
    while left > 0 {
        let len = left.min(line_size);
        human.out += &format!("{at:016x}:");
        let line = &mut buffer[..len as usize];
        if !human.read(space, at, line) {
            human.out += " Cannot access memory\n";
            return Ok(());
        }
        for unit in line.chunks(size as usize) {
            let value = unit
                .iter()
                .rev()
                .fold(0, |value, &byte| value << 8 | u64::from(byte));
            human.out.push(' ');
            human.out += &padded(format.notation, size, value);
        }
        human.out.push('\n');
        at = at.wrapping_add(len);
        left -= len;
    }
    Ok(())
}

fn instructions(
    human: &mut Human<'_>,
    count: u64,
    mut at: u64,
    space: MemorySpace,
) -> Result<(), Error> {
    let cpu = match space {
        MemorySpace::Virtual(cpu) => cpu,
        MemorySpace::Physical => human.monitor.cpu,
    };
    if count > MOST / INSTRUCTION {
        return Err(Error::generic("too many instructions to show at once"));
    }
    for _ in 0..count {
        let mut code = [0; INSTRUCTION as usize];
        // An instruction may be the last of its page.
        let readable = (1..=INSTRUCTION)
            .rev()
            .map(|len| len as usize)
            .filter(|len| len.is_multiple_of(4) || *len < 4)
            .find(|&len| human.read(space, at, &mut code[..len]));
        let Some(len) = readable else {
            human.out += &format!("{at:#010x}:  Cannot access memory\n");
            return Ok(());
        };
        let Some((text, used)) = human.vm.disassemble(cpu, at, &code[..len]) else {
            return Err(Error::generic(
                "there is no disassembler for this processor",
            ));
        };
        human.out += &format!("{at:#010x}:  {text}\n");
        at = at.wrapping_add(used.max(1) as u64);
    }
    Ok(())
}

/// Shows the guest-physical address of a virtual one.
pub(super) fn translate(human: &mut Human<'_>, arguments: &Arguments) -> Result<(), Error> {
    let at = arguments.number(0).cast_unsigned();
    human.out += &match human.vm.translate(human.monitor.cpu, at) {
        Some(physical) => format!("gpa: {physical:#x}\n"),
        None => "Unmapped\n".into(),
    };
    Ok(())
}

/// Shows a value.
pub(super) fn print(human: &mut Human<'_>, arguments: &Arguments) -> Result<(), Error> {
    let Some(format) = arguments.format else {
        return Ok(());
    };
    let value = arguments.number(0);
    let bits = value.cast_unsigned();
    human.out += &match format.notation {
        Notation::Octal if bits == 0 => "0".into(),
        Notation::Octal => format!("0{bits:o}"),
        Notation::Decimal => value.to_string(),
        Notation::Unsigned => bits.to_string(),
        Notation::Character => character(bits as u8),
        Notation::Hexadecimal if bits == 0 => "0".into(),
        Notation::Hexadecimal | Notation::Instruction => format!("{bits:#x}"),
    };
    human.out.push('\n');
    Ok(())
}

/// A value of `size` bytes as wide as any of that size.
fn padded(notation: Notation, size: u64, value: u64) -> String {
    let bits = size as usize * 8;
    match notation {
        Notation::Hexadecimal | Notation::Instruction => {
            format!("0x{value:0width$x}", width = bits / 4)
        }
        Notation::Octal => {
            let digits = if value == 0 {
                "0".into()
            } else {
                format!("0{value:o}")
            };
            format!("{digits:>width$}", width = bits.div_ceil(3))
        }
        Notation::Decimal | Notation::Unsigned => {
            format!("{value:>width$}", width = (bits * 10).div_ceil(33))
        }
        Notation::Character => character(value as u8),
    }
}

fn character(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".into(),
        b'\\' => "'\\\\'".into(),
        b'\n' => "'\\n'".into(),
        b'\r' => "'\\r'".into(),
        b' '..=b'~' => format!("'{}'", char::from(byte)),
        _ => format!("'\\x{byte:02x}'"),
    }
}
