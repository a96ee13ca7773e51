//! A unit: a disk or a CD drive.

use ferrite_machine::backend::BlockBackend;

use super::pages::{MAX_UNMAP_BLOCKS, MAX_UNMAP_RANGES};
use super::spec::{READ_CAPACITY_16, Sense, op};
use super::{multimedia, number, pages};

/// What a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitKind {
    /// `scsi-hd`.
    Disk,
    /// `scsi-cd`.
    Cd,
}

impl UnitKind {
    /// The peripheral device type.
    #[must_use]
    pub const fn device_type(self) -> u8 {
        match self {
            Self::Disk => 0,
            Self::Cd => 5,
        }
    }

    /// Its name among QEMU's devices.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disk => "scsi-hd",
            Self::Cd => "scsi-cd",
        }
    }
}

/// What a user can choose of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitOptions {
    /// The device's name.
    pub name: String,
    /// Serial number.
    pub serial: String,
    /// World wide name.
    pub wwn: Option<u64>,
}

/// What is to be done on a unit's medium. Offsets and lengths are bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Read to the initiator.
    Read {
        /// First byte.
        offset: u64,
        /// How many.
        len: u64,
    },
    /// Write what the initiator sends.
    Write {
        /// First byte.
        offset: u64,
        /// How many.
        len: u64,
        /// Whether to flush thereafter.
        durable: bool,
    },
    /// Make writes durable.
    Flush,
    /// Forget ranges.
    Discard(Vec<(u64, u64)>),
    /// Write zeros.
    Zero {
        /// First byte.
        offset: u64,
        /// How many.
        len: u64,
        /// Whether the space may be given back.
        unmap: bool,
    },
    /// Write a block again and again.
    Fill {
        /// First byte.
        offset: u64,
        /// How many.
        len: u64,
        /// The block.
        pattern: Vec<u8>,
    },
}

/// What a command comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done; this is its answer.
    Done(Vec<u8>),
    /// It is refused.
    Check(Sense),
    /// It needs the medium.
    Work(Work),
}

/// A unit.
pub struct ScsiDisk {
    // Fixed.
    kind: UnitKind,
    options: UnitOptions,
    // Wiring.
    backend: Option<Box<dyn BlockBackend>>,
    // Initiator-visible.
    attention: Option<Sense>,
    tray_open: bool,
    locked: bool,
    media_event: u8,
}

impl ScsiDisk {
    /// A disk or drive with this medium; only a CD drive can do without.
    #[must_use]
    pub fn new(
        kind: UnitKind,
        backend: Option<Box<dyn BlockBackend>>,
        options: UnitOptions,
    ) -> Self {
        Self {
            kind,
            options,
            backend,
            attention: Some(Sense::RESET),
            tray_open: false,
            locked: false,
            media_event: 0,
        }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> UnitKind {
        self.kind
    }

    /// What was chosen of it.
    #[must_use]
    pub fn options(&self) -> &UnitOptions {
        &self.options
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// Its medium, whether or not the tray is closed.
    pub fn backend(&mut self) -> Option<&mut (dyn BlockBackend + 'static)> {
        self.backend.as_deref_mut()
    }

    /// Bytes in a block.
    #[must_use]
    pub fn block_size(&self) -> u32 {
        match self.kind {
            UnitKind::Disk => 512,
            UnitKind::Cd => 2048,
        }
    }

    /// Blocks of the medium.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        let size = self.backend.as_ref().map_or(0, |backend| backend.size());
        size / u64::from(self.block_size())
    }

    /// Whether writes fail.
    #[must_use]
    pub fn read_only(&self) -> bool {
        let protected = self.backend.as_ref().is_none_or(|b| b.read_only());
        self.kind == UnitKind::Cd || protected
    }

    /// Whether there is a medium to work on.
    pub(super) fn medium(&self) -> Result<(), Sense> {
        match (&self.backend, self.tray_open) {
            (_, true) => Err(Sense::TRAY_OPEN),
            (None, false) => Err(Sense::NO_MEDIUM),
            (Some(_), false) => Ok(()),
        }
    }

    /// Bits of the media status: tray open, medium present.
    pub(super) fn media_status(&self) -> u8 {
        let present = self.backend.is_some() && !self.tray_open;
        u8::from(self.tray_open) | u8::from(present) << 1
    }

    /// Takes what happened to the medium since the last call.
    pub(super) fn take_media_event(&mut self) -> u8 {
        std::mem::take(&mut self.media_event)
    }

    /// The next command that can be refused is, for this reason.
    pub fn attention(&mut self, sense: Sense) {
        self.attention.get_or_insert(sense);
    }

    /// Returns to the state after power-on.
    pub fn reset(&mut self) {
        self.attention = Some(Sense::RESET);
        self.tray_open = false;
        self.locked = false;
        self.media_event = 0;
    }

    /// Whether a command's data is not for the medium, but to be handed to [`Self::execute`].
    #[must_use]
    pub fn takes_parameters(cdb: &[u8; 32]) -> bool {
        matches!(cdb[0], op::UNMAP | op::WRITE_SAME_10 | op::WRITE_SAME_16)
    }

    /// Executes a command. `luns` are the units of its target, for REPORT LUNS.
    pub fn execute(&mut self, cdb: &[u8; 32], parameters: &[u8], luns: &[u16]) -> Outcome {
        let heeds = !matches!(cdb[0], op::INQUIRY | op::REPORT_LUNS | op::REQUEST_SENSE);
        if heeds && let Some(sense) = self.attention.take() {
            return Outcome::Check(sense);
        }
        let result = match self.kind {
            UnitKind::Cd => self.multimedia(cdb),
            UnitKind::Disk => None,
        };
        let result = result.unwrap_or_else(|| self.block(cdb, parameters, luns));
        result.unwrap_or_else(Outcome::Check)
    }

    /// What only CD drives do.
    fn multimedia(&mut self, cdb: &[u8; 32]) -> Option<Result<Outcome, Sense>> {
        let (data, room) = match cdb[0] {
            op::READ_TOC => (multimedia::read_toc(self, cdb), number(cdb, 7, 2)),
            op::GET_CONFIGURATION => (multimedia::get_configuration(self, cdb), number(cdb, 7, 2)),
            op::GET_EVENT_STATUS => (multimedia::event_status(self, cdb), number(cdb, 7, 2)),
            op::READ_DISC_INFORMATION => {
                (multimedia::disc_information(self, cdb), number(cdb, 7, 2))
            }
            // One disc, no changer.
            op::MECHANISM_STATUS => (Ok(vec![0; 8]), number(cdb, 8, 2)),
            op::PREVENT_ALLOW_REMOVAL => {
                self.locked = cdb[4] & 1 != 0;
                return Some(Ok(Outcome::Done(Vec::new())));
            }
            op::START_STOP_UNIT if cdb[4] & 2 != 0 => return Some(self.move_tray(cdb[4] & 1 == 0)),
            _ => return None,
        };
        Some(data.map(|data| answer(data, room)))
    }

    fn move_tray(&mut self, open: bool) -> Result<Outcome, Sense> {
        if self.locked && open != self.tray_open {
            return Err(Sense::REMOVAL_PREVENTED);
        }
        if open != self.tray_open {
            self.tray_open = open;
            // Media removal, new media.
            self.media_event = if open { 3 } else { 2 };
        }
        Ok(Outcome::Done(Vec::new()))
    }

    /// What all units do.
    fn block(&mut self, cdb: &[u8; 32], parameters: &[u8], luns: &[u16]) -> Result<Outcome, Sense> {
        match cdb[0] {
            op::TEST_UNIT_READY => self.medium().map(|()| Outcome::Done(Vec::new())),
            op::REQUEST_SENSE => {
                let sense = self.attention.take().unwrap_or(Sense::NONE);
                Ok(answer(sense.fixed().to_vec(), number(cdb, 4, 1)))
            }
            op::INQUIRY => Ok(answer(pages::inquiry(self, cdb)?, number(cdb, 3, 2))),
            op::REPORT_LUNS => report_luns(cdb, luns),
            op::MODE_SENSE_6 => Ok(answer(pages::mode_sense(self, cdb)?, number(cdb, 4, 1))),
            op::MODE_SENSE_10 => Ok(answer(pages::mode_sense(self, cdb)?, number(cdb, 7, 2))),
            op::RESERVE_6
            | op::RESERVE_10
            | op::RELEASE_6
            | op::RELEASE_10
            | op::START_STOP_UNIT => Ok(Outcome::Done(Vec::new())),
            op::READ_CAPACITY_10 => self.capacity(),
            op::SERVICE_ACTION_IN_16 if cdb[1] & 0x1f == READ_CAPACITY_16 => {
                self.long_capacity(number(cdb, 10, 4))
            }
            op::READ_6 | op::READ_10 | op::READ_12 | op::READ_16 => {
                self.medium()?;
                let (offset, len) = self.span(cdb)?;
                Ok(Outcome::Work(Work::Read { offset, len }))
            }
            op::VERIFY_10 | op::VERIFY_12 | op::VERIFY_16 => {
                self.medium()?;
                self.span(cdb)?;
                match cdb[1] & 6 {
                    0 => Ok(Outcome::Done(Vec::new())),
                    // What is written is not compared.
                    _ => Err(Sense::INVALID_FIELD),
                }
            }
            op::SYNCHRONIZE_CACHE_10 | op::SYNCHRONIZE_CACHE_16 => {
                self.medium()?;
                Ok(Outcome::Work(Work::Flush))
            }
            _ if self.kind == UnitKind::Disk => self.change(cdb, parameters),
            _ => Err(Sense::INVALID_OPCODE),
        }
    }

    /// What writes to the medium.
    fn change(&mut self, cdb: &[u8; 32], parameters: &[u8]) -> Result<Outcome, Sense> {
        let work = match cdb[0] {
            op::WRITE_6 | op::WRITE_10 | op::WRITE_12 | op::WRITE_16 => {
                let (offset, len) = self.writable_span(cdb)?;
                let durable = cdb[0] != op::WRITE_6 && cdb[1] & 8 != 0;
                Work::Write {
                    offset,
                    len,
                    durable,
                }
            }
            op::WRITE_VERIFY_10 | op::WRITE_VERIFY_12 | op::WRITE_VERIFY_16 => {
                let (offset, len) = self.writable_span(cdb)?;
                Work::Write {
                    offset,
                    len,
                    durable: true,
                }
            }
            op::WRITE_SAME_10 | op::WRITE_SAME_16 => self.write_same(cdb, parameters)?,
            op::UNMAP => self.unmap(cdb, parameters)?,
            _ => return Err(Sense::INVALID_OPCODE),
        };
        Ok(Outcome::Work(work))
    }

    fn write_same(&self, cdb: &[u8; 32], parameters: &[u8]) -> Result<Work, Sense> {
        let (offset, len) = self.writable_span(cdb)?;
        let (unmap, no_data) = (cdb[1] & 8 != 0, cdb[1] & 1 != 0);
        let block = self.block_size() as usize;
        // No blocks would mean all that follow; anchored blocks are not known.
        if len == 0 || len / block as u64 > MAX_UNMAP_BLOCKS || cdb[1] & 0x10 != 0 {
            return Err(Sense::INVALID_FIELD);
        }
        let pattern = match no_data && cdb[0] == op::WRITE_SAME_16 {
            true => vec![0; block],
            false => parameters
                .get(..block)
                .ok_or(Sense::INVALID_FIELD)?
                .to_vec(),
        };
        Ok(match pattern.iter().all(|byte| *byte == 0) {
            true => Work::Zero { offset, len, unmap },
            false => Work::Fill {
                offset,
                len,
                pattern,
            },
        })
    }

    fn unmap(&self, cdb: &[u8; 32], parameters: &[u8]) -> Result<Work, Sense> {
        self.check_writable()?;
        if cdb[1] & 1 != 0 {
            return Err(Sense::INVALID_FIELD);
        }
        let told = number(cdb, 7, 2) as usize;
        if told == 0 {
            return Ok(Work::Discard(Vec::new()));
        }
        let list = parameters.get(..told).ok_or(Sense::INVALID_PARAMETER)?;
        let bytes = number(list, 2, 2) as usize;
        let ranges = list.get(8..8 + bytes).ok_or(Sense::INVALID_PARAMETER)?;
        if bytes / 16 > MAX_UNMAP_RANGES as usize {
            return Err(Sense::INVALID_PARAMETER);
        }
        let ranges = ranges.chunks_exact(16).map(|range| {
            let blocks = number(range, 8, 4);
            match blocks > MAX_UNMAP_BLOCKS {
                true => Err(Sense::INVALID_PARAMETER),
                false => self.bytes(number(range, 0, 8), blocks),
            }
        });
        Ok(Work::Discard(ranges.collect::<Result<_, _>>()?))
    }

    fn check_writable(&self) -> Result<(), Sense> {
        self.medium()?;
        match self.read_only() {
            true => Err(Sense::WRITE_PROTECTED),
            false => Ok(()),
        }
    }

    fn writable_span(&self, cdb: &[u8; 32]) -> Result<(u64, u64), Sense> {
        self.check_writable()?;
        self.span(cdb)
    }

    /// The bytes that a command is about, by the fields of commands of its length.
    fn span(&self, cdb: &[u8; 32]) -> Result<(u64, u64), Sense> {
        let (block, count) = match cdb[0] >> 5 {
            0 => {
                let count = match number(cdb, 4, 1) {
                    0 => 256,
                    count => count,
                };
                (number(cdb, 1, 3) & 0x1f_ffff, count)
            }
            1 | 2 => (number(cdb, 2, 4), number(cdb, 7, 2)),
            4 => (number(cdb, 2, 8), number(cdb, 10, 4)),
            _ => (number(cdb, 2, 4), number(cdb, 6, 4)),
        };
        self.bytes(block, count)
    }

    fn bytes(&self, block: u64, count: u64) -> Result<(u64, u64), Sense> {
        let blocks = self.blocks();
        if block > blocks || count > blocks - block {
            return Err(Sense::LBA_OUT_OF_RANGE);
        }
        let size = u64::from(self.block_size());
        Ok((block * size, count * size))
    }

    fn capacity(&self) -> Result<Outcome, Sense> {
        self.medium()?;
        let last = self.blocks().checked_sub(1).ok_or(Sense::NO_MEDIUM)?;
        let last = u32::try_from(last).unwrap_or(u32::MAX);
        let mut data = last.to_be_bytes().to_vec();
        data.extend(self.block_size().to_be_bytes());
        Ok(Outcome::Done(data))
    }

    fn long_capacity(&self, room: u64) -> Result<Outcome, Sense> {
        self.medium()?;
        let last = self.blocks().checked_sub(1).ok_or(Sense::NO_MEDIUM)?;
        let mut data = vec![0; 32];
        data[..8].copy_from_slice(&last.to_be_bytes());
        data[8..12].copy_from_slice(&self.block_size().to_be_bytes());
        if self.kind == UnitKind::Disk {
            // Space can be given back.
            data[14] = 0x80;
        }
        Ok(answer(data, room))
    }
}

/// An answer, of which the initiator has room for so many bytes.
fn answer(mut data: Vec<u8>, room: u64) -> Outcome {
    data.truncate(usize::try_from(room).unwrap_or(usize::MAX));
    Outcome::Done(data)
}

/// REPORT LUNS (SPC-4, section 6.33). Unit 0 is always told of.
pub fn report_luns(cdb: &[u8; 32], luns: &[u16]) -> Result<Outcome, Sense> {
    let room = number(cdb, 6, 4);
    // Well known units only, or all: there are none of the former.
    let luns: Vec<u16> = match cdb[2] {
        0 | 2 => {
            let others = luns.iter().copied().filter(|lun| *lun != 0);
            std::iter::once(0).chain(others).collect()
        }
        1 => Vec::new(),
        _ => return Err(Sense::INVALID_FIELD),
    };
    if room < 16 {
        return Err(Sense::INVALID_FIELD);
    }
    let mut data = (8 * luns.len() as u32).to_be_bytes().to_vec();
    data.extend([0; 4]);
    for lun in luns {
        let [high, low] = lun.to_be_bytes();
        let method = if lun < 256 { 0 } else { 0x40 };
        data.extend([high | method, low, 0, 0, 0, 0, 0, 0]);
    }
    Ok(answer(data, room))
}

/// Executes a command for a unit that its target does not have.
#[must_use]
pub fn execute_absent(cdb: &[u8; 32], lun: u16, luns: &[u16]) -> Outcome {
    match cdb[0] {
        op::REPORT_LUNS => report_luns(cdb, luns).unwrap_or_else(Outcome::Check),
        op::INQUIRY if cdb[1] & 1 == 0 && cdb[2] == 0 => {
            let mut data = vec![0; 36];
            // Nothing is there; at number 0, nothing is there now.
            data[0] = if lun == 0 { 0x3f } else { 0x7f };
            (data[2], data[3], data[4]) = (5, 0x12, 31);
            answer(data, number(cdb, 3, 2))
        }
        op::REQUEST_SENSE => answer(Sense::NO_SUCH_UNIT.fixed().to_vec(), number(cdb, 4, 1)),
        _ => Outcome::Check(Sense::NO_SUCH_UNIT),
    }
}
