//! Records about a machine's host side, in the layout that QEMU's users and scripts know.

use ferrite_qmp::schema::{
    BlockDeviceInfo, BlockDeviceIoStatus, BlockDeviceStats, BlockInfo, BlockStats,
    BlockdevCacheInfo, BlockdevDetectZeroesOptions, ImageInfo,
};

use ferrite_devices::pci::host::FunctionInfo;
use ferrite_devices::pci::spec::reg;
use ferrite_machine::{DeviceId, RegionKind};
use ferrite_vm::virt::Board;

use crate::launch::{BlockFacts, DiskUser};

/// A disk's medium, as `query-named-block-nodes` tells of it.
pub(super) fn medium(disk: &BlockFacts) -> BlockDeviceInfo {
    let file = disk.file.display().to_string();
    let image = ImageInfo {
        filename: file.clone(),
        format: "raw".into(),
        virtual_size: disk.size as i64,
        actual_size: std::fs::metadata(&disk.file).ok().map(|m| {
            use std::os::unix::fs::MetadataExt;
            (m.blocks() * 512) as i64
        }),
        cluster_size: None,
        encrypted: None,
        compressed: None,
        backing_image: None,
        backing_filename: None,
        full_backing_filename: None,
        backing_filename_format: None,
        dirty_flag: Some(false),
    };
    BlockDeviceInfo {
        file,
        node_name: Some(disk.node_name()),
        active: true,
        ro: disk.read_only,
        drv: "raw".into(),
        backing_file: None,
        backing_file_depth: 0,
        encrypted: false,
        detect_zeroes: BlockdevDetectZeroesOptions::Off,
        bps: 0,
        bps_rd: 0,
        bps_wr: 0,
        iops: 0,
        iops_rd: 0,
        iops_wr: 0,
        image,
        cache: BlockdevCacheInfo {
            writeback: true,
            direct: false,
            no_flush: false,
        },
        write_threshold: 0,
    }
}

/// A disk, as `query-block` tells of it.
pub(super) fn block(disk: &BlockFacts, user: Option<&DiskUser>) -> BlockInfo {
    let removable = user.is_some_and(|user| user.removable);
    BlockInfo {
        device: if disk.is_node {
            String::new()
        } else {
            disk.id.clone()
        },
        qdev: user.map(|user| user.qdev.clone()),
        r#type: "unknown".into(),
        removable,
        locked: false,
        inserted: Some(medium(disk)),
        tray_open: removable.then_some(false),
        io_status: user.map(|_| BlockDeviceIoStatus::Ok),
    }
}

/// A disk's counters, as `query-blockstats` tells of them.
pub(super) fn stats(disk: &BlockFacts, user: Option<&DiskUser>, nodes: bool) -> BlockStats {
    let counted = disk.stats.snapshot();
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let stats = BlockDeviceStats {
        rd_bytes: count(counted.read.bytes),
        wr_bytes: count(counted.write.bytes),
        unmap_bytes: count(counted.unmap.bytes),
        zone_append_bytes: 0,
        rd_operations: count(counted.read.operations),
        wr_operations: count(counted.write.operations),
        flush_operations: count(counted.flush.operations),
        unmap_operations: count(counted.unmap.operations),
        zone_append_operations: 0,
        rd_total_time_ns: 0,
        wr_total_time_ns: 0,
        flush_total_time_ns: 0,
        unmap_total_time_ns: 0,
        zone_append_total_time_ns: 0,
        wr_highest_offset: 0,
        rd_merged: 0,
        wr_merged: 0,
        unmap_merged: 0,
        zone_append_merged: 0,
        idle_time_ns: None,
        failed_rd_operations: count(counted.read.failed),
        failed_wr_operations: count(counted.write.failed),
        failed_flush_operations: count(counted.flush.failed),
        failed_unmap_operations: count(counted.unmap.failed),
        failed_zone_append_operations: 0,
        invalid_rd_operations: 0,
        invalid_wr_operations: 0,
        invalid_flush_operations: 0,
        invalid_unmap_operations: 0,
        invalid_zone_append_operations: 0,
        account_invalid: false,
        account_failed: false,
        timed_stats: Vec::new(),
    };
    let device = match (nodes, disk.is_node) {
        (true, _) => None,
        (false, true) => Some(String::new()),
        (false, false) => Some(disk.id.clone()),
    };
    BlockStats {
        device,
        qdev: user.filter(|_| !nodes).map(|user| user.qdev.clone()),
        node_name: Some(disk.node_name()),
        stats,
        parent: None,
        backing: None,
    }
}

/// The devices, as `info qtree` shows them.
pub(super) fn device_tree(board: &Board) -> String {
    let mut text = String::from("bus: main-system-bus\n  type System\n");
    let map = board.map();
    for (n, device) in board.devices().iter().enumerate() {
        text += &format!("  dev: {}, id \"\"\n", device.kind);
        for region in map.regions() {
            if let RegionKind::Device(id, _) | RegionKind::Rom(_, Some((id, _))) = region.kind
                && id == DeviceId(n)
            {
                text += &format!("    mmio {:016x}/{:016x}\n", region.base.0, region.len);
            }
        }
    }
    if let Some(host) = board.pci() {
        pci_tree(&mut text, &host.functions(), "pcie.0", 4);
    }
    text
}

/// What is on the PCI bus of this name, and below it.
fn pci_tree(text: &mut String, functions: &[FunctionInfo<'_>], bus: &str, indent: usize) {
    *text += &format!("{:indent$}bus: {bus}\n", "");
    for f in functions.iter().filter(|f| f.bus_name == bus) {
        let id = f.name.unwrap_or_default();
        *text += &format!("{:indent$}  dev: {}, id \"{id}\"\n", "", f.device.kind());
        let (slot, function) = (f.address.slot, f.address.function);
        *text += &format!("{:indent$}    addr = {slot:02x}.{function:x}\n", "");
        let ids = (f.config.u16(reg::VENDOR), f.config.u16(reg::DEVICE));
        *text += &format!("{:indent$}    pci id {:04x}:{:04x}\n", "", ids.0, ids.1);
        if let Some(below) = f.secondary {
            pci_tree(text, functions, below, indent + 4);
        }
    }
}
