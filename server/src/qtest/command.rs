//! The commands.

use ferrite_qmp::base64;
use ferrite_vm::Vm;
use ferrite_vm::virt::Watch;

use super::{Place, Qtest, access};

/// Most bytes that one command moves.
const MOST: u64 = 32 << 20;

/// Shared interrupts of the board's interrupt controller.
const SPIS: u32 = 256;

/// What an answer has after `OK`, or after `FAIL`.
type Answer = Result<Option<String>, String>;

/// The words of a command, after its name.
struct Words<'a> {
    command: &'a str,
    rest: std::str::SplitWhitespace<'a>,
}

impl<'a> Words<'a> {
    fn word(&mut self) -> Result<&'a str, String> {
        let missing = || format!("Not enough arguments for '{}'", self.command);
        self.rest.next().ok_or_else(missing)
    }

    fn number(&mut self) -> Result<u64, String> {
        let word = self.word()?;
        number(word).ok_or_else(|| format!("Invalid number '{word}'"))
    }

    /// How many bytes to move.
    fn size(&mut self) -> Result<usize, String> {
        let bytes = self.number()?;
        if bytes > MOST {
            return Err(format!("More than {MOST} bytes"));
        }
        Ok(bytes as usize)
    }
}

/// A number as C writes it: decimal, hexadecimal after `0x`, octal after `0`.
fn number(text: &str) -> Option<u64> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match (hex, text.strip_prefix('0')) {
        (Some(digits), _) => u64::from_str_radix(digits, 16).ok(),
        (None, Some(digits)) if !digits.is_empty() => u64::from_str_radix(digits, 8).ok(),
        _ => text.parse().ok(),
    }
}

/// The bytes of an access by the letter at the end of its command.
fn width(command: &str) -> u64 {
    match command.as_bytes().last() {
        Some(b'b') => 1,
        Some(b'w') => 2,
        Some(b'l') => 4,
        _ => 8,
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    text
}

/// Hexadecimal text, cut off or filled up with zeros to `len` bytes.
fn from_hex(text: &str, len: usize) -> Result<Vec<u8>, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    let mut bytes = vec![0; len];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(pair, 16).map_err(|_| "Invalid data".to_owned())?;
    }
    Ok(bytes)
}

impl Qtest {
    /// Executes a command.
    pub(super) fn execute(&mut self, line: &str, vm: &mut Vm) -> Answer {
        let mut rest = line.split_whitespace();
        let command = rest.next().unwrap_or_default();
        let mut words = Words { command, rest };
        match command {
            "readb" | "readw" | "readl" | "readq" => {
                let value = access::load(vm, words.number()?, width(command));
                Ok(Some(format!("0x{value:016x}")))
            }
            "writeb" | "writew" | "writel" | "writeq" => {
                let (at, value) = (words.number()?, words.number()?);
                let bytes = width(command);
                access::store(vm, at, bytes, value & (u64::MAX >> (64 - 8 * bytes)));
                Ok(None)
            }
            "read" | "b64read" | "write" | "b64write" | "memset" => moves(&mut words, vm),
            // There is no such address space: nothing answers.
            "inb" => words.number().map(|_| Some("0x00ff".to_owned())),
            "inw" => words.number().map(|_| Some("0xffff".to_owned())),
            "inl" => words.number().map(|_| Some("0xffffffff".to_owned())),
            "outb" | "outw" | "outl" => {
                words.number()?;
                words.number()?;
                Ok(None)
            }
            "endianness" => Ok(Some("little".to_owned())),
            "irq_intercept_in" | "irq_intercept_out" => {
                let path = words.word()?;
                let what = match (Self::place(vm, path)?, command) {
                    (Place::Device(id), "irq_intercept_out") => Watch::Outputs(id),
                    (Place::Gic, "irq_intercept_in") => Watch::Inputs,
                    _ => return Err("No such lines to intercept".to_owned()),
                };
                self.watch(vm, path, what).map(|()| None)
            }
            "set_irq_in" => drive(&mut words, vm),
            "clock_step" | "clock_set" => self.clock(&mut words, vm),
            _ => Err(format!("Unknown command '{command}'")),
        }
    }

    /// `clock_step [NS]`, `clock_set NS`
    fn clock(&mut self, words: &mut Words<'_>, vm: &mut Vm) -> Answer {
        use ferrite_machine::clock::HostClock;
        let Some(clock) = self.clock.clone() else {
            return Err(format!("Unknown command '{}'", words.command));
        };
        match words.command {
            "clock_set" => clock.move_to(vm, words.number()?),
            _ => match words.rest.clone().next() {
                None => clock.move_to_next(vm),
                Some(_) => {
                    let end = clock.monotonic_ns().saturating_add(words.number()?);
                    clock.move_to(vm, end);
                }
            },
        }
        Ok(Some(clock.monotonic_ns().to_string()))
    }
}

/// Commands that move any number of bytes.
fn moves(words: &mut Words<'_>, vm: &mut Vm) -> Answer {
    let (at, len) = (words.number()?, words.size()?);
    match words.command {
        "read" | "b64read" => {
            let mut bytes = vec![0; len];
            access::read(vm, at, &mut bytes);
            Ok(Some(match words.command {
                "read" => hex(&bytes),
                _ => base64::encode(&bytes),
            }))
        }
        "memset" => {
            let value = words.number()? as u8;
            access::write(vm, at, &vec![value; len]);
            Ok(None)
        }
        "write" => {
            access::write(vm, at, &from_hex(words.word()?, len)?);
            Ok(None)
        }
        _ => {
            let mut bytes = base64::decode(words.word()?);
            bytes.resize(len, 0);
            access::write(vm, at, &bytes);
            Ok(None)
        }
    }
}

/// `set_irq_in PATH NAME NUMBER LEVEL`
fn drive(words: &mut Words<'_>, vm: &mut Vm) -> Answer {
    let (path, name) = (words.word()?, words.word()?);
    let (line, level) = (words.number()?, words.number()?);
    match (Qtest::place(vm, path)?, u32::try_from(line)) {
        (Place::Gic, Ok(line)) if name == "unnamed-gpio-in" && line < SPIS => {
            vm.board_mut().drive_spi(line, level != 0);
            Ok(None)
        }
        _ => Err("No such line".to_owned()),
    }
}
