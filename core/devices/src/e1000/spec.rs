//! Registers and descriptors of Intel's 82540EM, which the 82574 has too, after "PCI/PCI-X Family of Gigabit Ethernet
//! Controllers Software Developer's Manual" (317453), chapters 3, 5 and 13.

/// Bytes of the register space.
pub const REGION_LEN: u64 = 0x2_0000;
/// Bytes of the I/O space.
pub const IO_LEN: u64 = 64;

/// Offsets of registers.
pub mod reg {
    /// Device control.
    pub const CTRL: u64 = 0x0000;
    /// The same register at a second place.
    pub const CTRL_DUP: u64 = 0x0004;
    /// Device status.
    pub const STATUS: u64 = 0x0008;
    /// EEPROM control and data.
    pub const EECD: u64 = 0x0010;
    /// EEPROM read.
    pub const EERD: u64 = 0x0014;
    /// Extended device control.
    pub const CTRL_EXT: u64 = 0x0018;
    /// Access to the transceiver.
    pub const MDIC: u64 = 0x0020;
    /// Flow control address, low.
    pub const FCAL: u64 = 0x0028;
    /// Flow control address, high.
    pub const FCAH: u64 = 0x002c;
    /// Flow control type.
    pub const FCT: u64 = 0x0030;
    /// VLAN Ethernet type.
    pub const VET: u64 = 0x0038;
    /// Interrupt causes; cleared by reading.
    pub const ICR: u64 = 0x00c0;
    /// Interrupt throttling.
    pub const ITR: u64 = 0x00c4;
    /// Sets interrupt causes.
    pub const ICS: u64 = 0x00c8;
    /// Sets bits of the interrupt mask.
    pub const IMS: u64 = 0x00d0;
    /// Clears bits of the interrupt mask.
    pub const IMC: u64 = 0x00d8;
    /// Receive control.
    pub const RCTL: u64 = 0x0100;
    /// Flow control transmit timer.
    pub const FCTTV: u64 = 0x0170;
    /// Transmit configuration word.
    pub const TXCW: u64 = 0x0178;
    /// Transmit control.
    pub const TCTL: u64 = 0x0400;
    /// Transmit inter-packet gap.
    pub const TIPG: u64 = 0x0410;
    /// Adaptive inter-frame spacing.
    pub const AIT: u64 = 0x0458;
    /// LED control.
    pub const LEDCTL: u64 = 0x0e00;
    /// Packet buffer allocation.
    pub const PBA: u64 = 0x1000;
    /// Flow control receive thresholds.
    pub const FCRTL: u64 = 0x2160;
    /// The high one.
    pub const FCRTH: u64 = 0x2168;
    /// Receive descriptor base, low.
    pub const RDBAL: u64 = 0x2800;
    /// Receive descriptor base, high.
    pub const RDBAH: u64 = 0x2804;
    /// Receive descriptor ring, bytes.
    pub const RDLEN: u64 = 0x2808;
    /// Receive descriptor head.
    pub const RDH: u64 = 0x2810;
    /// Receive descriptor tail.
    pub const RDT: u64 = 0x2818;
    /// Receive delay timer.
    pub const RDTR: u64 = 0x2820;
    /// Receive descriptor control.
    pub const RXDCTL: u64 = 0x2828;
    /// Receive absolute delay timer.
    pub const RADV: u64 = 0x282c;
    /// Small packet detection.
    pub const RSRPD: u64 = 0x2c00;
    /// Transmit DMA control.
    pub const TXDMAC: u64 = 0x3000;
    /// Transmit descriptor base, low.
    pub const TDBAL: u64 = 0x3800;
    /// Transmit descriptor base, high.
    pub const TDBAH: u64 = 0x3804;
    /// Transmit descriptor ring, bytes.
    pub const TDLEN: u64 = 0x3808;
    /// Transmit descriptor head.
    pub const TDH: u64 = 0x3810;
    /// Transmit descriptor tail.
    pub const TDT: u64 = 0x3818;
    /// Transmit interrupt delay.
    pub const TIDV: u64 = 0x3820;
    /// Transmit descriptor control.
    pub const TXDCTL: u64 = 0x3828;
    /// Transmit absolute delay.
    pub const TADV: u64 = 0x382c;
    /// TCP segmentation pad and threshold.
    pub const TSPMT: u64 = 0x3830;
    /// The first statistics register.
    pub const STATISTICS: u64 = 0x4000;
    /// The end of the statistics registers.
    pub const STATISTICS_END: u64 = 0x4128;
    /// Frames received, by size.
    pub const SIZES_RECEIVED: u64 = 0x405c;
    /// Frames sent, by size.
    pub const SIZES_SENT: u64 = 0x40d8;
    /// Receive checksum control.
    pub const RXCSUM: u64 = 0x5000;
    /// Multicast table: 128 words.
    pub const MTA: u64 = 0x5200;
    /// Receive addresses: 16 pairs of words.
    pub const RA: u64 = 0x5400;
    /// The end of the receive addresses.
    pub const RA_END: u64 = 0x5480;
    /// VLAN filter: 128 words.
    pub const VFTA: u64 = 0x5600;
    /// Wake-up control.
    pub const WUC: u64 = 0x5800;
    /// Wake-up filter control.
    pub const WUFC: u64 = 0x5808;
    /// Wake-up status.
    pub const WUS: u64 = 0x5810;
    /// Management control.
    pub const MANC: u64 = 0x5820;
    /// IP address valid.
    pub const IPAV: u64 = 0x5838;
    /// Wake-up packet length.
    pub const WUPL: u64 = 0x5900;
}

/// Spans of registers that hold what was written to them and do nothing else here, on every model:
/// first offset and one past the last.
pub const PLAIN: &[(u64, u64)] = &[
    (reg::CTRL_EXT, 0x1c),
    (reg::FCAL, 0x34),
    (reg::VET, 0x3c),
    (reg::ITR, 0xc8),
    (reg::FCTTV, 0x17c),
    (reg::TIPG, 0x414),
    (reg::AIT, 0x45c),
    (reg::LEDCTL, 0xe04),
    (reg::PBA, 0x1004),
    (reg::FCRTL, 0x216c),
    (reg::RDTR, 0x2830),
    (reg::RSRPD, 0x2c04),
    (reg::TXDMAC, 0x3004),
    (reg::TIDV, 0x3834),
    (reg::RXCSUM, 0x5004),
    (reg::MTA, 0x5400),
    (reg::RA, reg::RA_END),
    (reg::VFTA, 0x5800),
    (reg::WUC, 0x5804),
    (reg::WUFC, 0x580c),
    (reg::MANC, 0x5824),
    (reg::IPAV, 0x583c),
];

/// Bits of [`reg::CTRL`].
pub mod ctrl {
    /// Resets the device.
    pub const RESET: u32 = 1 << 26;
    /// VLAN mode: tags are taken off and put on.
    pub const VLAN: u32 = 1 << 30;
    /// Resets the transceiver.
    pub const PHY_RESET: u32 = 1 << 31;
}

/// Bits of [`reg::STATUS`].
pub mod status {
    /// The link is up.
    pub const LINK_UP: u32 = 1 << 1;
    /// Full duplex at 1 Gb/s, by both detections, with the transmit clock there.
    pub const AFTER_RESET: u32 = 0x8008_0781;
}

/// Bits of [`reg::EECD`].
pub mod eecd {
    /// Clock.
    pub const CLOCK: u32 = 1 << 0;
    /// Chip select.
    pub const SELECT: u32 = 1 << 1;
    /// Data into the EEPROM.
    pub const DATA_IN: u32 = 1 << 2;
    /// Data out of it.
    pub const DATA_OUT: u32 = 1 << 3;
    /// Flash write enable: 01 is off.
    pub const FLASH_WRITE: u32 = 3 << 4;
    /// Software wants the EEPROM.
    pub const REQUEST: u32 = 1 << 6;
    /// Software has it.
    pub const GRANT: u32 = 1 << 7;
    /// It is there.
    pub const PRESENT: u32 = 1 << 8;
    /// What software writes.
    pub const WRITABLE: u32 = CLOCK | SELECT | DATA_IN | FLASH_WRITE | REQUEST;
}

/// Bits of [`reg::EERD`].
pub mod eerd {
    /// Starts a read.
    pub const START: u32 = 1 << 0;
}

/// Bits of [`reg::MDIC`].
pub mod mdic {
    /// Write the transceiver's register.
    pub const WRITE: u32 = 1 << 26;
    /// Read it.
    pub const READ: u32 = 2 << 26;
    /// The access is over.
    pub const READY: u32 = 1 << 28;
    /// Interrupt when it is.
    pub const INTERRUPT: u32 = 1 << 29;
    /// It failed.
    pub const ERROR: u32 = 1 << 30;
}

/// Interrupt causes.
pub mod cause {
    /// Transmit descriptors were written back.
    pub const TX_DONE: u32 = 1 << 0;
    /// The transmit ring ran empty.
    pub const TX_EMPTY: u32 = 1 << 1;
    /// The link came up or went down.
    pub const LINK: u32 = 1 << 2;
    /// Receive descriptors run short.
    pub const RX_LOW: u32 = 1 << 4;
    /// A frame was received.
    pub const RX: u32 = 1 << 7;
    /// An access to the transceiver is over.
    pub const MDIO: u32 = 1 << 9;
    /// 82574: receive queue 0.
    pub const RX_QUEUE_0: u32 = 1 << 20;
    /// 82574: receive queue 1.
    pub const RX_QUEUE_1: u32 = 1 << 21;
    /// 82574: transmit queue 0.
    pub const TX_QUEUE_0: u32 = 1 << 22;
    /// 82574: transmit queue 1.
    pub const TX_QUEUE_1: u32 = 1 << 23;
    /// 82574: every cause that there is (datasheet, section 10.2.4.3).
    pub const EXPRESS: u32 = 0x01f7_82d7;
    /// 82574: one of [`OTHERS`].
    pub const OTHER: u32 = 1 << 24;
    /// 82574: link, overrun, transceiver, small packet, acknowledgement, management.
    pub const OTHERS: u32 = LINK | 1 << 6 | MDIO | 7 << 16;
    /// 82574: an interrupt is asserted.
    pub const ASSERTED: u32 = 1 << 31;
}

/// What the 82574 has beside (Intel 82574 GbE Controller Family Datasheet, 317694, chapter 10).
pub mod express {
    /// Bytes of the I/O space.
    pub const IO_LEN: u64 = 32;
    /// The base address register of the MSI-X table.
    pub const MSIX_BAR: usize = 3;
    /// Where the pending bits are there.
    pub const MSIX_PENDING: u32 = 0x2000;
    /// MSI-X vectors.
    pub const VECTORS: u16 = 5;

    /// Causes that a message clears.
    pub const EIAC: u64 = 0x00dc;
    /// Causes that an acknowledgement masks; the vectors' allocation and throttling follow.
    pub const IAM: u64 = 0x00e0;
    /// Which vector each cause has.
    pub const IVAR: u64 = 0x00e4;
    /// A vector of [`IVAR`] is in use.
    pub const IVAR_VALID: u32 = 1 << 3;
    /// Ownership of the transceiver; size of the extended configuration and its control follow.
    pub const EXTCNF_CTRL: u64 = 0x0f00;
    /// Power of the transceiver.
    pub const PHY_CTRL: u64 = 0x0f10;
    /// Descriptor control of the second receive queue.
    pub const RXDCTL1: u64 = 0x2928;
    /// Transmit arbitration of the second queue.
    pub const TARC1: u64 = 0x3940;
    /// Packet buffer size.
    pub const PBS: u64 = 0x1008;
    /// Management's EEPROM access.
    pub const EEMNGCTL: u64 = 0x1010;
    /// [`EEMNGCTL`]: the configuration from the EEPROM is done.
    pub const CONFIGURED: u32 = 1 << 31 | 1 << 18;
    /// Packet split: buffer sizes.
    pub const PSRCTL: u64 = 0x2170;
    /// Transmit arbitration.
    pub const TARC0: u64 = 0x3840;
    /// Receive filters.
    pub const RFCTL: u64 = 0x5008;
    /// [`RFCTL`]: extended receive descriptors.
    pub const EXTENDED: u32 = 1 << 15;
    /// Receive queues: how frames are spread.
    pub const MRQC: u64 = 0x5818;
    /// PCI Express control.
    pub const GCR: u64 = 0x5b00;
    /// Which functions are active.
    pub const FACTPS: u64 = 0x5b30;
    /// Semaphore between drivers; the firmware's follows.
    pub const SWSM: u64 = 0x5b50;
    /// [`SWSM`]: taken by whoever read it clear.
    pub const SWSM_TAKEN: u32 = 1;
    /// More PCI Express control.
    pub const GCR2: u64 = 0x5b64;
    /// Table of queues by hash; the hash's key follows.
    pub const RETA: u64 = 0x5c00;

    /// [`super::reg::CTRL`]: no accesses to memory are to be made.
    pub const NO_MASTER: u32 = 1 << 2;
    /// [`super::reg::STATUS`]: accesses to memory may be made.
    pub const MASTER: u32 = 1 << 19;
    /// [`super::reg::CTRL_EXT`]: a message masks the causes of [`IAM`] that it is for.
    pub const AUTO_MASK_MESSAGE: u32 = 1 << 24;
    /// [`super::reg::CTRL_EXT`]: an acknowledgement masks the causes of [`IAM`].
    pub const AUTO_MASK_READ: u32 = 1 << 27;
    /// [`super::reg::EECD`]: the configuration has been read.
    pub const EECD_READ: u32 = 1 << 9;
    /// [`super::reg::RCTL`]: descriptors with several buffers.
    pub const RCTL_SPLIT: u32 = 1 << 10;
    /// [`super::reg::RCTL`]: the descriptor type's field.
    pub const RCTL_TYPE: u32 = 3 << 10;
    /// Bytes of a receive descriptor with several buffers.
    pub const SPLIT_DESCRIPTOR: u64 = 32;
}

/// Bits of [`reg::RCTL`].
pub mod rctl {
    /// Receiver on.
    pub const ENABLE: u32 = 1 << 1;
    /// Takes every unicast frame.
    pub const ALL_UNICAST: u32 = 1 << 3;
    /// Takes every multicast frame.
    pub const ALL_MULTICAST: u32 = 1 << 4;
    /// Takes frames longer than 1522 bytes.
    pub const LONG: u32 = 1 << 5;
    /// Takes broadcasts.
    pub const BROADCAST: u32 = 1 << 15;
    /// Filters by VLAN.
    pub const VLAN_FILTER: u32 = 1 << 18;
    /// Buffer sizes are 16 times as large.
    pub const LARGE_BUFFERS: u32 = 1 << 25;
    /// The frame check sequence is not stored.
    pub const STRIP_CRC: u32 = 1 << 26;
}

/// [`reg::TCTL`]: transmitter on.
pub const TCTL_ENABLE: u32 = 1 << 1;
/// A receive address is valid, in its high word.
pub const RAH_VALID: u32 = 1 << 31;
/// Receive addresses.
pub const RA_COUNT: u64 = 16;

/// Bits in the second word (length and command) of transmit descriptors (section 3.3).
pub mod tx {
    /// The last of a packet.
    pub const END: u32 = 1 << 24;
    /// Legacy: insert a checksum. In context and data descriptors: segment TCP.
    pub const CHECKSUM_OR_SEGMENT: u32 = 1 << 26;
    /// Report status.
    pub const REPORT: u32 = 1 << 27;
    /// Report when the packet is sent; the same here.
    pub const REPORT_SENT: u32 = 1 << 28;
    /// Not a legacy descriptor.
    pub const EXTENDED: u32 = 1 << 29;
    /// Insert a VLAN tag.
    pub const VLAN: u32 = 1 << 30;
    /// Extended: the type.
    pub const TYPE: u32 = 0xf << 20;
    /// Extended: a data descriptor.
    pub const TYPE_DATA: u32 = 1 << 20;
    /// Context: the packet is TCP, not UDP.
    pub const TCP: u32 = 1 << 24;
    /// Context: the packet is IPv4, not IPv6.
    pub const IPV4: u32 = 1 << 25;
    /// Third word: the descriptor is done.
    pub const DONE: u32 = 1;
    /// Third word of data descriptors: insert the IP checksum.
    pub const INSERT_IP: u32 = 1 << 8;
    /// Third word of data descriptors: insert the TCP or UDP checksum.
    pub const INSERT_TCP: u32 = 2 << 8;
}

/// Status bits of receive descriptors (section 3.2.3.1).
pub mod rx {
    /// The descriptor is done.
    pub const DONE: u8 = 1 << 0;
    /// The last of a packet.
    pub const END: u8 = 1 << 1;
    /// No checksum was looked at.
    pub const NO_CHECKSUM: u8 = 1 << 2;
    /// A VLAN tag was taken off.
    pub const VLAN: u8 = 1 << 3;
}

/// Bytes of a descriptor.
pub const DESCRIPTOR: u64 = 16;
