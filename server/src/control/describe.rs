//! Records about a machine's host side, in the layout that QEMU's users and scripts know.

use ferrite_qmp::schema::{
    BlockDeviceInfo, BlockInfo, BlockdevCacheInfo, BlockdevDetectZeroesOptions, ImageInfo,
};

use crate::launch::BlockFacts;

/// A disk, as `query-block` tells of it.
pub(super) fn block(disk: &BlockFacts) -> BlockInfo {
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
    let inserted = BlockDeviceInfo {
        file,
        node_name: Some(disk.node_name()),
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
    };
    BlockInfo {
        device: if disk.is_node {
            String::new()
        } else {
            disk.id.clone()
        },
        qdev: None,
        r#type: "unknown".into(),
        removable: false,
        locked: false,
        inserted: Some(inserted),
        tray_open: None,
        io_status: None,
    }
}
