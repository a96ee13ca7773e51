//! Reflected CRC-32 checksums, without the inversions before and after.

use crate::WideArgs;

const CRC32: [u32; 256] = table(0x04c1_1db7);
const CRC32C: [u32; 256] = table(0x1edc_6f41);

/// What each byte adds, for a polynomial with the coefficient of x^31 in its highest bit.
const fn table(polynomial: u32) -> [u32; 256] {
    let reflected = polynomial.reverse_bits();
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = sum >> 1 ^ if sum & 1 != 0 { reflected } else { 0 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
}

fn update(args: &WideArgs, table: &[u32; 256]) -> u128 {
    let data = (args.int >> 32) as u32;
    let bytes = data.to_le_bytes();
    let count = (args.imm as usize).min(bytes.len());
    let sum = bytes[..count].iter().fold(args.int as u32, |sum, byte| {
        sum >> 8 ^ table[usize::from(sum as u8 ^ byte)]
    });
    sum.into()
}

pub(super) fn crc32(args: &WideArgs) -> u128 {
    update(args, &CRC32)
}

pub(super) fn crc32c(args: &WideArgs) -> u128 {
    update(args, &CRC32C)
}
