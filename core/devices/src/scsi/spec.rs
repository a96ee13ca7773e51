//! Operation codes and sense codes (SPC-4, SBC-3, MMC-6).

/// Operation codes.
pub mod op {
    /// Tells whether there is a medium.
    pub const TEST_UNIT_READY: u8 = 0x00;
    /// Tells what was wrong.
    pub const REQUEST_SENSE: u8 = 0x03;
    /// Reads blocks.
    pub const READ_6: u8 = 0x08;
    /// Writes blocks.
    pub const WRITE_6: u8 = 0x0a;
    /// Tells what the unit is.
    pub const INQUIRY: u8 = 0x12;
    /// Reserves the unit; there is one initiator only.
    pub const RESERVE_6: u8 = 0x16;
    /// Releases the unit.
    pub const RELEASE_6: u8 = 0x17;
    /// Reads parameters.
    pub const MODE_SENSE_6: u8 = 0x1a;
    /// Starts, stops, loads, ejects.
    pub const START_STOP_UNIT: u8 = 0x1b;
    /// Locks the tray.
    pub const PREVENT_ALLOW_REMOVAL: u8 = 0x1e;
    /// Tells the size.
    pub const READ_CAPACITY_10: u8 = 0x25;
    /// Reads blocks.
    pub const READ_10: u8 = 0x28;
    /// Writes blocks.
    pub const WRITE_10: u8 = 0x2a;
    /// Writes blocks.
    pub const WRITE_VERIFY_10: u8 = 0x2e;
    /// Reads blocks for nobody.
    pub const VERIFY_10: u8 = 0x2f;
    /// Makes writes durable.
    pub const SYNCHRONIZE_CACHE_10: u8 = 0x35;
    /// Writes one block many times.
    pub const WRITE_SAME_10: u8 = 0x41;
    /// Forgets blocks.
    pub const UNMAP: u8 = 0x42;
    /// Tells the tracks of a disc.
    pub const READ_TOC: u8 = 0x43;
    /// Tells what a drive can do.
    pub const GET_CONFIGURATION: u8 = 0x46;
    /// Tells what happened to the medium.
    pub const GET_EVENT_STATUS: u8 = 0x4a;
    /// Tells the state of a disc.
    pub const READ_DISC_INFORMATION: u8 = 0x51;
    /// Reserves the unit.
    pub const RESERVE_10: u8 = 0x56;
    /// Releases the unit.
    pub const RELEASE_10: u8 = 0x57;
    /// Reads parameters.
    pub const MODE_SENSE_10: u8 = 0x5a;
    /// Reads blocks.
    pub const READ_16: u8 = 0x88;
    /// Writes blocks.
    pub const WRITE_16: u8 = 0x8a;
    /// Writes blocks.
    pub const WRITE_VERIFY_16: u8 = 0x8e;
    /// Reads blocks for nobody.
    pub const VERIFY_16: u8 = 0x8f;
    /// Makes writes durable.
    pub const SYNCHRONIZE_CACHE_16: u8 = 0x91;
    /// Writes one block many times.
    pub const WRITE_SAME_16: u8 = 0x93;
    /// The service action says what.
    pub const SERVICE_ACTION_IN_16: u8 = 0x9e;
    /// Lists the units of a target.
    pub const REPORT_LUNS: u8 = 0xa0;
    /// Reads blocks.
    pub const READ_12: u8 = 0xa8;
    /// Writes blocks.
    pub const WRITE_12: u8 = 0xaa;
    /// Writes blocks.
    pub const WRITE_VERIFY_12: u8 = 0xae;
    /// Reads blocks for nobody.
    pub const VERIFY_12: u8 = 0xaf;
    /// Tells the state of the changer.
    pub const MECHANISM_STATUS: u8 = 0xbd;
}

/// The service action that tells the size.
pub const READ_CAPACITY_16: u8 = 0x10;

/// Status of a command that went well.
pub const GOOD: u8 = 0x00;
/// Status of a command that comes with sense data.
pub const CHECK_CONDITION: u8 = 0x02;

/// What was wrong: sense key, additional sense code, its qualifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sense(pub u8, pub u8, pub u8);

impl Sense {
    /// Nothing.
    pub const NONE: Self = Self(0, 0, 0);
    /// There is no medium.
    pub const NO_MEDIUM: Self = Self(2, 0x3a, 0);
    /// There is none, and the tray is open.
    pub const TRAY_OPEN: Self = Self(2, 0x3a, 2);
    /// The medium could not be read.
    pub const READ_ERROR: Self = Self(3, 0x11, 0);
    /// The medium could not be written.
    pub const WRITE_ERROR: Self = Self(3, 0x0c, 0);
    /// No such command.
    pub const INVALID_OPCODE: Self = Self(5, 0x20, 0);
    /// No such block.
    pub const LBA_OUT_OF_RANGE: Self = Self(5, 0x21, 0);
    /// A field of the command is not as it should be.
    pub const INVALID_FIELD: Self = Self(5, 0x24, 0);
    /// No such unit.
    pub const NO_SUCH_UNIT: Self = Self(5, 0x25, 0);
    /// A field of the parameters is not as it should be.
    pub const INVALID_PARAMETER: Self = Self(5, 0x26, 0);
    /// The tray is locked.
    pub const REMOVAL_PREVENTED: Self = Self(5, 0x53, 2);
    /// The unit was reset.
    pub const RESET: Self = Self(6, 0x29, 0);
    /// Units came or went.
    pub const UNITS_CHANGED: Self = Self(6, 0x3f, 0x0e);
    /// The medium is write-protected.
    pub const WRITE_PROTECTED: Self = Self(7, 0x27, 0);

    /// Sense data in fixed format (SPC-4, section 4.5.3).
    #[must_use]
    pub fn fixed(self) -> [u8; 18] {
        let Self(key, code, qualifier) = self;
        let mut data = [0; 18];
        (data[0], data[2], data[7]) = (0x70, key, 10);
        (data[12], data[13]) = (code, qualifier);
        data
    }
}
