//! What a device tree from a file is told of the machine that it is used for, as with QEMU: the
//! memory that there is, how other CPUs are started, the kernel's command line and its initrd. The
//! rest is the file's affair.

use super::fdt::PSCI_COMPATIBLE;
use super::memory_map::RAM_BASE;
use crate::boot::Placement;
use crate::boot::device_tree::{DeviceTree, Node};
use crate::psci::function;

/// Puts the machine's facts into the tree. `append` and `placement` are those of a kernel that was
/// loaded directly. An error says why the tree cannot hold them.
pub fn complete(
    tree: &mut DeviceTree,
    ram: u64,
    append: Option<&str>,
    placement: Option<Placement>,
) -> Result<(), String> {
    let root = &mut tree.root;
    // Devicetree Specification 0.4, section 2.3.5: what counts without the properties.
    let address_cells = root.cell("#address-cells").unwrap_or(2);
    let size_cells = root.cell("#size-cells").unwrap_or(1);
    if address_cells == 0 || size_cells == 0 || address_cells > 4 || size_cells > 4 {
        return Err(format!(
            "#address-cells is {address_cells} and #size-cells {size_cells}: no memory can be told of"
        ));
    }
    if size_cells == 1 && ram > u64::from(u32::MAX) {
        return Err(format!("#size-cells is 1, too few for {ram} bytes of RAM"));
    }
    root.children.retain(|node| !is_memory(node));
    let memory = root.child_mut(&format!("memory@{RAM_BASE:x}"));
    memory.set_strings("device_type", &["memory"]);
    memory.set_numbers("reg", &[(RAM_BASE, address_cells), (ram, size_cells)]);
    if root.child("psci").is_none() {
        psci(root.child_mut("psci"));
    }
    let chosen = root.child_mut("chosen");
    if let Some(append) = append.filter(|text| !text.is_empty()) {
        chosen.set_strings("bootargs", &[append]);
    }
    if let Some((start, end)) = placement.and_then(|p| p.initrd) {
        chosen.set_numbers("linux,initrd-start", &[(start, address_cells)]);
        chosen.set_numbers("linux,initrd-end", &[(end, address_cells)]);
    }
    Ok(())
}

fn is_memory(node: &Node) -> bool {
    node.name == "memory" || node.name.starts_with("memory@")
}

fn psci(node: &mut Node) {
    node.set_strings("compatible", &PSCI_COMPATIBLE);
    node.set_strings("method", &["hvc"]);
    for (name, number) in [
        ("cpu_suspend", function::CPU_SUSPEND_64),
        ("cpu_off", function::CPU_OFF),
        ("cpu_on", function::CPU_ON_64),
    ] {
        node.set_numbers(name, &[(number.into(), 1)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(address_cells: u32, size_cells: u32) -> DeviceTree {
        let mut tree = DeviceTree::default();
        let root = &mut tree.root;
        root.set_numbers("#address-cells", &[(address_cells.into(), 1)]);
        root.set_numbers("#size-cells", &[(size_cells.into(), 1)]);
        root.child_mut("memory").set("reg", [1, 2, 3]);
        root.child_mut("memory@80000000").set("reg", [1, 2, 3]);
        let chosen = root.child_mut("chosen");
        chosen.set_strings("stdout-path", &["/serial"]);
        chosen.set_strings("bootargs", &["from the file"]);
        tree
    }

    const PLACEMENT: Placement = Placement {
        entry: 0,
        initrd: Some((0x4800_0000, 0x4810_0000)),
        dtb: 0,
    };

    #[test]
    fn a_kernel_is_told_of_its_machine() {
        let mut tree = tree(2, 1);
        complete(&mut tree, 256 << 20, Some("quiet"), Some(PLACEMENT)).unwrap();
        let root = &tree.root;
        let names: Vec<&str> = root.children.iter().map(|n| n.name.as_str()).collect();
        assert_eq!(names, ["chosen", "memory@40000000", "psci"]);
        let memory = root.child("memory@40000000").unwrap();
        assert!(memory.has_string("device_type", "memory"));
        let reg = [0, 0, 0, 0, 0x40, 0, 0, 0, 0x10, 0, 0, 0];
        assert_eq!(memory.property("reg"), Some(&reg[..]));
        assert!(root.child("psci").unwrap().has_string("method", "hvc"));
        let chosen = root.child("chosen").unwrap();
        assert!(chosen.has_string("bootargs", "quiet"));
        assert!(chosen.has_string("stdout-path", "/serial"));
        let start = [0, 0, 0, 0, 0x48, 0, 0, 0];
        assert_eq!(chosen.property("linux,initrd-start"), Some(&start[..]));
        assert!(chosen.property("linux,initrd-end").is_some());
    }

    #[test]
    fn what_the_file_says_stays_where_nothing_else_is_said() {
        let mut tree = tree(1, 1);
        let psci = tree.root.child_mut("psci");
        psci.set_strings("method", &["smc"]);
        complete(&mut tree, 256 << 20, None, None).unwrap();
        let psci = tree.root.child("psci").unwrap();
        assert!(psci.has_string("method", "smc"));
        let chosen = tree.root.child("chosen").unwrap();
        assert!(chosen.has_string("bootargs", "from the file"));
        assert_eq!(chosen.property("linux,initrd-start"), None);
    }

    #[test]
    fn memory_that_a_tree_cannot_tell_of_is_refused() {
        for (address_cells, size_cells, ram) in [(0, 1, 1), (2, 0, 1), (5, 1, 1), (2, 1, 4 << 30)] {
            let mut tree = tree(address_cells, size_cells);
            assert!(complete(&mut tree, ram, None, None).is_err());
        }
        assert!(complete(&mut tree(2, 2), 8 << 30, None, None).is_ok());
    }
}
