use super::*;

#[test]
fn identifies_itself_as_on_virt() {
    // Values read from QEMU's virt machine.
    let frame = GicV2m::new(80, 64);
    assert_eq!(frame.read(8, 4), Ok(0x50_0040));
    assert_eq!(frame.read(0xfcc, 4), Ok(0x510_0000));
    assert_eq!(frame.read(0xfd0, 4), Ok(0));
    assert_eq!(frame.read(0x1000, 4), Err(BusError));
}

#[test]
fn only_owned_interrupts_are_pulsed() {
    let frame = GicV2m::new(80, 64);
    assert_eq!(frame.write(0x40, 4, 80), Ok(Some(48)));
    assert_eq!(frame.write(0x40, 2, 143), Ok(Some(111)));
    for other in [79, 144, 0] {
        assert_eq!(frame.write(0x40, 4, other), Ok(None));
    }
    assert_eq!(frame.write(0x44, 4, 80), Ok(None));
}
