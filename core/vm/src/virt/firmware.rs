//! What firmware finds in fw_cfg: the machine's CPUs, and the kernel that it is asked to start.

use ferrite_devices::fw_cfg::{AddError, FwCfg};

use super::vmcoreinfo;
use crate::boot;
use crate::config::MachineConfig;

/// Numbers of the items (QEMU `docs/specs/fw_cfg`).
mod key {
    pub const UUID: u16 = 0x02;
    pub const NB_CPUS: u16 = 0x05;
    pub const KERNEL_SIZE: u16 = 0x08;
    pub const INITRD_SIZE: u16 = 0x0b;
    pub const KERNEL_DATA: u16 = 0x11;
    pub const INITRD_DATA: u16 = 0x12;
    pub const CMDLINE_SIZE: u16 = 0x14;
    pub const CMDLINE_DATA: u16 = 0x15;
}

/// Bytes of the largest kernel that is unpacked for firmware, as in QEMU.
const MAX_KERNEL: u64 = 256 << 20;

/// The items of a machine. Kernel and initrd are there only when firmware has to load them.
pub(super) fn items(config: &MachineConfig) -> Result<FwCfg, AddError> {
    let mut fw_cfg = FwCfg::new();
    fw_cfg.add_item(key::UUID, config.uuid.to_vec())?;
    let cpus = (config.cpus as u16).to_le_bytes().to_vec();
    fw_cfg.add_item(key::NB_CPUS, cpus)?;
    if config.vmcoreinfo {
        fw_cfg.add_writable_file(vmcoreinfo::FILE, vmcoreinfo::EMPTY.to_vec())?;
    }
    for (name, contents) in &config.fw_cfg {
        fw_cfg.add_file(name, contents.clone())?;
    }
    if config.firmware.is_none() && config.flash[0].is_none() {
        return Ok(fw_cfg);
    }
    let size = |bytes: &[u8]| (bytes.len() as u32).to_le_bytes().to_vec();
    if let Some(kernel) = &config.kernel {
        let kernel = boot::gunzip(kernel, MAX_KERNEL);
        fw_cfg.add_item(key::KERNEL_SIZE, size(&kernel))?;
        fw_cfg.add_item(key::KERNEL_DATA, kernel.into_owned())?;
    }
    if let Some(initrd) = &config.initrd {
        fw_cfg.add_item(key::INITRD_SIZE, size(initrd))?;
        fw_cfg.add_item(key::INITRD_DATA, initrd.clone())?;
    }
    if let Some(append) = &config.append {
        let mut text = append.clone().into_bytes();
        text.push(0);
        fw_cfg.add_item(key::CMDLINE_SIZE, size(&text))?;
        fw_cfg.add_item(key::CMDLINE_DATA, text)?;
    }
    Ok(fw_cfg)
}
