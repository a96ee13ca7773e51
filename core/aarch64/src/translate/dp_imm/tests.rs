use std::collections::BTreeSet;

use ferrite_ir::Width;

use super::decode_bit_masks;

/// Distinct masks over all encodings of a width.
fn masks(w: Width) -> BTreeSet<u64> {
    let mut masks = BTreeSet::new();
    for n in 0..2 {
        for imms in 0..64 {
            for immr in 0..64 {
                masks.extend(decode_bit_masks(w, n, imms, immr));
            }
        }
    }
    masks
}

/// Every mask that there should be, from the definition rather than the encoding: a run of ones
/// (neither none nor all) in an element of `size` bits, rotated and repeated.
fn defined(width: u32) -> BTreeSet<u64> {
    let mut masks = BTreeSet::new();
    let mut size = 2;
    while size <= width {
        for ones in 1..size {
            for rotation in 0..size {
                let bit = |n: u32| (n + rotation) % size < ones;
                masks.insert(
                    (0..width)
                        .filter(|n| bit(n % size))
                        .map(|n| 1u64 << n)
                        .sum(),
                );
            }
        }
        size *= 2;
    }
    masks
}

#[test]
fn bit_masks_are_the_rotated_runs() {
    assert_eq!(masks(Width::W64), defined(64));
    assert_eq!(masks(Width::W32), defined(32));
    assert_eq!(masks(Width::W64).len(), 5334);
}

/// As an assembler encodes them.
#[test]
fn bit_masks_of_known_instructions() {
    // and x0, x1, #0xff; orr w0, wzr, #0x80000001; eor x0, x1, #0x5555555555555555
    assert_eq!(decode_bit_masks(Width::W64, 1, 7, 0), Some(0xff));
    assert_eq!(decode_bit_masks(Width::W32, 0, 1, 1), Some(0x8000_0001));
    assert_eq!(
        decode_bit_masks(Width::W64, 0, 0b111100, 0),
        Some(0x5555_5555_5555_5555)
    );
    assert_eq!(decode_bit_masks(Width::W64, 0, 0b111101, 0), None);
    assert_eq!(decode_bit_masks(Width::W64, 1, 63, 0), None);
    assert_eq!(decode_bit_masks(Width::W32, 1, 7, 0), None);
}
