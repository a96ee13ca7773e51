//! `fw_cfg`: named blobs that the machine hands to firmware and kernel. A file may be one that the
//! guest writes to; everything else is read-only.

mod dma;
pub mod spec;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use ferrite_machine::{BusError, Cx, Device, ResetKind};

use crate::words::is_natural;

/// An item could not be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// The name is empty or longer than the directory's field.
    #[error("cannot add fw_cfg file {0:?}: a name has 1 to 55 bytes")]
    BadName(String),
    /// The directory is full.
    #[error("cannot add fw_cfg file {0:?}: there are too many")]
    Full(String),
    /// A size field has 32 bits.
    #[error("cannot add a fw_cfg item of {0} bytes: it exceeds 4 GiB")]
    TooLarge(usize),
}

/// The device.
#[derive(Clone, Debug)]
pub struct FwCfg {
    // Fixed configuration.
    items: BTreeMap<u16, Vec<u8>>,
    /// Named files by name: their order gives their keys.
    files: BTreeMap<String, Vec<u8>>,
    /// What the files that the guest may write to hold at reset.
    writable: BTreeMap<String, Vec<u8>>,
    // Guest-visible.
    state: State,
}

/// What the guest sees.
#[derive(Clone, Debug, Default)]
struct State {
    /// The selected item.
    key: u16,
    /// The next byte in it.
    position: u64,
    /// The DMA address register's upper half.
    dma_high: u32,
}

impl Default for FwCfg {
    fn default() -> Self {
        Self::new()
    }
}

impl FwCfg {
    /// A device with the signature, the version and an empty directory.
    #[must_use]
    pub fn new() -> Self {
        let version = spec::ID_TRADITIONAL | spec::ID_DMA;
        let mut device = Self {
            items: BTreeMap::from([
                (spec::SIGNATURE, b"QEMU".to_vec()),
                (spec::ID, version.to_le_bytes().to_vec()),
            ]),
            files: BTreeMap::new(),
            writable: BTreeMap::new(),
            state: State::default(),
        };
        device.rebuild_directory();
        device
    }

    /// Adds or replaces a numbered item. Keys from 0x20 to 0x3fff are the named files'.
    pub fn add_item(&mut self, key: u16, bytes: Vec<u8>) -> Result<(), AddError> {
        u32::try_from(bytes.len()).map_err(|_| AddError::TooLarge(bytes.len()))?;
        self.items.insert(key, bytes);
        Ok(())
    }

    /// Adds or replaces a named file. Files are numbered by the order of their names, so add them
    /// all before the guest runs.
    pub fn add_file(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), AddError> {
        u32::try_from(bytes.len()).map_err(|_| AddError::TooLarge(bytes.len()))?;
        if name.is_empty() || name.len() > spec::NAME_MAX {
            return Err(AddError::BadName(name.to_owned()));
        }
        if self.files.len() >= spec::FILE_SLOTS && !self.files.contains_key(name) {
            return Err(AddError::Full(name.to_owned()));
        }
        self.files.insert(name.to_owned(), bytes);
        self.rebuild_directory();
        Ok(())
    }

    /// Adds a named file that the guest may write to, through the DMA interface, and that holds
    /// `bytes` again after a reset.
    pub fn add_writable_file(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), AddError> {
        self.add_file(name, bytes.clone())?;
        self.writable.insert(name.to_owned(), bytes);
        Ok(())
    }

    /// The contents of a named file.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// The directory: a big-endian count, then per file size (32 bits), key (16 bits), two reserved
    /// bytes and a name of 56.
    fn rebuild_directory(&mut self) {
        let mut directory = (self.files.len() as u32).to_be_bytes().to_vec();
        for ((name, bytes), key) in self.files.iter().zip(spec::FILE_FIRST..) {
            directory.extend((bytes.len() as u32).to_be_bytes());
            directory.extend(key.to_be_bytes());
            directory.extend([0; 2]);
            let mut field = [0; spec::NAME_MAX + 1];
            field[..name.len()].copy_from_slice(name.as_bytes());
            directory.extend(field);
        }
        self.items.insert(spec::FILE_DIRECTORY, directory);
    }

    fn select(&mut self, key: u16) {
        self.state.key = key & !spec::WRITE_CHANNEL;
        self.state.position = 0;
    }

    /// What is left of the selected item; nothing, for one that does not exist.
    fn rest(&self) -> &[u8] {
        let key = self.state.key;
        let file = key
            .checked_sub(spec::FILE_FIRST)
            .and_then(|index| self.files.values().nth(index.into()));
        let item = self.items.get(&key).or(file);
        let position = usize::try_from(self.state.position).unwrap_or(usize::MAX);
        item.and_then(|item| item.get(position..)).unwrap_or(&[])
    }

    /// What is left of the selected item, for the guest to write to; nothing, for one that it may
    /// not write to.
    fn rest_mut(&mut self) -> &mut [u8] {
        let index = self.state.key.checked_sub(spec::FILE_FIRST);
        let position = usize::try_from(self.state.position).unwrap_or(usize::MAX);
        let file = index.and_then(|index| self.files.iter_mut().nth(index.into()));
        let writable = &self.writable;
        file.filter(|(name, _)| writable.contains_key(*name))
            .and_then(|(_, bytes)| bytes.get_mut(position..))
            .unwrap_or_default()
    }

    /// Moves on in the item; its end is no limit.
    fn advance(&mut self, bytes: u64) {
        self.state.position = self.state.position.saturating_add(bytes);
    }

    /// Takes the next bytes of the item, in the order in which they would lie in memory; zeros
    /// beyond its end.
    fn next(&mut self, bytes: u64) -> u64 {
        let mut data = [0; 8];
        for (into, from) in data.iter_mut().take(bytes as usize).zip(self.rest()) {
            *into = *from;
        }
        self.advance(bytes);
        u64::from_le_bytes(data)
    }

    fn dma_write(&mut self, cx: &mut Cx<'_>, offset: u64, bytes: u64, value: u64) {
        match (offset - spec::DMA, bytes) {
            (0, 8) => self.transfer(cx, value.swap_bytes()),
            (0, 4) => self.state.dma_high = (value as u32).swap_bytes(),
            (4, 4) => {
                let low = (value as u32).swap_bytes();
                self.transfer(cx, u64::from(self.state.dma_high) << 32 | u64::from(low));
            }
            _ => {}
        }
    }
}

impl Device for FwCfg {
    fn kind(&self) -> &'static str {
        "fw_cfg_mem"
    }

    fn read(
        &mut self,
        _cx: &mut Cx<'_>,
        _region: usize,
        offset: u64,
        bytes: u64,
    ) -> Result<u64, BusError> {
        if !is_natural(offset, bytes) || offset >= spec::SIZE {
            return Err(BusError);
        }
        Ok(match offset {
            spec::DATA..spec::SELECTOR => self.next(bytes),
            spec::DMA..spec::SIZE => {
                let signature = u64::from_le_bytes(spec::DMA_SIGNATURE);
                let shifted = signature >> ((offset - spec::DMA) * 8);
                shifted & u64::MAX >> (64 - bytes * 8)
            }
            _ => 0,
        })
    }

    fn write(
        &mut self,
        cx: &mut Cx<'_>,
        _region: usize,
        offset: u64,
        bytes: u64,
        value: u64,
    ) -> Result<(), BusError> {
        if !is_natural(offset, bytes) || offset >= spec::SIZE {
            return Err(BusError);
        }
        match offset {
            spec::SELECTOR if bytes == 2 => self.select((value as u16).swap_bytes()),
            spec::DMA..spec::SIZE => self.dma_write(cx, offset, bytes, value),
            _ => {}
        }
        Ok(())
    }

    fn reset(&mut self, _cx: &mut Cx<'_>, _kind: ResetKind) {
        self.state = State::default();
        for (name, bytes) in &self.writable {
            self.files.insert(name.clone(), bytes.clone());
        }
    }
}
