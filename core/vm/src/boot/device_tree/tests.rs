//! Against an independent writer, and against broken blobs.

use vm_fdt::{FdtReserveEntry, FdtWriter};

use super::{DeviceTree, MAX_BYTES, Node, TreeError};

/// A small tree by another hand.
fn blob() -> Vec<u8> {
    let reserved = FdtReserveEntry::new(0x4000_0000, 0x1000).unwrap();
    let mut fdt = FdtWriter::new_with_mem_reserv(&[reserved]).unwrap();
    fdt.set_boot_cpuid_phys(3);
    let root = fdt.begin_node("").unwrap();
    fdt.property_u32("#address-cells", 2).unwrap();
    fdt.property_null("empty").unwrap();
    let soc = fdt.begin_node("soc").unwrap();
    let uart = fdt.begin_node("serial@9000000").unwrap();
    fdt.property_string("compatible", "arm,pl011").unwrap();
    fdt.property_array_u64("reg", &[0x900_0000, 0x1000])
        .unwrap();
    fdt.end_node(uart).unwrap();
    fdt.end_node(soc).unwrap();
    let chosen = fdt.begin_node("chosen").unwrap();
    fdt.property("odd", &[1, 2, 3, 4, 5]).unwrap();
    fdt.end_node(chosen).unwrap();
    fdt.end_node(root).unwrap();
    fdt.finish().unwrap()
}

#[test]
fn what_another_writer_wrote_is_read() {
    let tree = DeviceTree::read(&blob()).unwrap();
    assert_eq!(tree.reserved, [(0x4000_0000, 0x1000)]);
    assert_eq!(tree.boot_cpu, 3);
    assert_eq!(tree.root.cell("#address-cells"), Some(2));
    assert_eq!(tree.root.property("empty"), Some(&[][..]));
    let uart = tree.root.child("soc").unwrap().child("serial@9000000");
    let uart = uart.unwrap();
    assert!(uart.has_string("compatible", "arm,pl011"));
    let reg = [0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0];
    assert_eq!(uart.property("reg"), Some(&reg[..]));
    let chosen = tree.root.child("chosen").unwrap();
    assert_eq!(chosen.property("odd"), Some(&[1, 2, 3, 4, 5][..]));
}

#[test]
fn what_is_written_is_read_again() {
    let mut tree = DeviceTree::read(&blob()).unwrap();
    let node = tree.root.child_mut("chosen").child_mut("new");
    node.set_strings("names", &["one", "two"]);
    node.set_numbers("reg", &[(0x1_2345_6789, 2), (7, 1), (u64::MAX, 3)]);
    assert_eq!(node.property("names"), Some(&b"one\0two\0"[..]));
    let reg = [
        0, 0, 0, 1, 0x23, 0x45, 0x67, 0x89, 0, 0, 0, 7, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff,
    ];
    assert_eq!(node.property("reg"), Some(&reg[..]));
    let again = tree.write();
    assert_eq!(DeviceTree::read(&again), Ok(tree));
    // What follows the tree does not count.
    assert!(DeviceTree::read(&[again, vec![0xff; 64]].concat()).is_ok());
}

#[test]
fn broken_blobs_are_refused() {
    let blob = blob();
    for len in 0..blob.len() {
        assert!(DeviceTree::read(&blob[..len]).is_err(), "{len} bytes");
    }
    let with = |at: usize, word: u32| {
        let mut blob = blob.clone();
        blob[at..at + 4].copy_from_slice(&word.to_be_bytes());
        DeviceTree::read(&blob)
    };
    assert_eq!(with(0, 1), Err(TreeError::Magic));
    assert_eq!(with(4, 1 << 30), Err(TreeError::TooLarge(1 << 30)));
    assert_eq!(with(20, 16), Err(TreeError::Version(16)));
    assert_eq!(with(24, 18), Err(TreeError::Version(18)));
    for at in [8, 12, 16, 32, 36] {
        assert!(with(at, u32::MAX).is_err(), "the header's word at {at}");
    }
    // Any other damage is refused or is another tree.
    for at in 40..blob.len() {
        let mut blob = blob.clone();
        blob[at] ^= 0xff;
        if let Ok(tree) = DeviceTree::read(&blob) {
            assert_eq!(DeviceTree::read(&tree.write()), Ok(tree));
        }
    }
}

#[test]
fn nodes_within_nodes_have_an_end() {
    let nested = |depth: usize| {
        let mut root = Node::new("");
        for _ in 1..depth {
            let mut outer = Node::new("");
            outer.children.push(root);
            root = outer;
        }
        let tree = DeviceTree {
            root,
            ..DeviceTree::default()
        };
        DeviceTree::read(&tree.write())
    };
    assert!(nested(64).is_ok());
    assert!(matches!(nested(65), Err(TreeError::Structure { .. })));
    assert!(MAX_BYTES > nested(64).unwrap().write().len());
}
