//! Registers of the memory-mapped transport (the spec, sections 4.2.2 and 4.2.4).

/// `MagicValue` reads `virt`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"virt");
/// `VendorID` as QEMU has it.
pub const VENDOR: u32 = u32::from_le_bytes(*b"QEMU");
/// Where the configuration space starts.
pub const CONFIG: u64 = 0x100;
/// The length of a register block.
pub const REGION_LEN: u64 = 0x200;

macro_rules! registers {
    ($($name:ident = $offset:literal, $doc:literal;)*) => {
        /// A register.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Register {
            $(#[doc = $doc] $name = $offset,)*
        }

        impl Register {
            /// The register at `offset`.
            #[must_use]
            pub fn at(offset: u64) -> Option<Self> {
                match offset {
                    $($offset => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

registers! {
    MagicValue = 0x000, "`virt`.";
    Version = 0x004, "1 for the legacy interface, 2 for the modern one.";
    DeviceId = 0x008, "Device type; 0 for an empty slot.";
    VendorId = 0x00c, "Who made the device.";
    DeviceFeatures = 0x010, "The selected 32 features on offer.";
    DeviceFeaturesSel = 0x014, "Selects 32 of the features on offer.";
    DriverFeatures = 0x020, "The selected 32 features that the driver accepts.";
    DriverFeaturesSel = 0x024, "Selects 32 of the features that the driver accepts.";
    GuestPageSize = 0x028, "Legacy: the unit of `QueuePFN`.";
    QueueSel = 0x030, "Selects the queue that the following registers are about.";
    QueueNumMax = 0x034, "The largest size of the queue; 0 if there is none.";
    QueueNum = 0x038, "The queue's size.";
    QueueAlign = 0x03c, "Legacy: alignment of the used ring.";
    QueuePfn = 0x040, "Legacy: the page where the queue starts; 0 disables it.";
    QueueReady = 0x044, "Whether the queue is enabled.";
    QueueNotify = 0x050, "New buffers are in the queue of this number.";
    InterruptStatus = 0x060, "Causes of the interrupt.";
    InterruptAck = 0x064, "Causes that were handled.";
    Status = 0x070, "Device status.";
    QueueDescLow = 0x080, "Descriptor table address, low half.";
    QueueDescHigh = 0x084, "Descriptor table address, high half.";
    QueueDriverLow = 0x090, "Available ring address, low half.";
    QueueDriverHigh = 0x094, "Available ring address, high half.";
    QueueDeviceLow = 0x0a0, "Used ring address, low half.";
    QueueDeviceHigh = 0x0a4, "Used ring address, high half.";
    ShmSel = 0x0ac, "Selects a shared memory region.";
    ShmLenLow = 0x0b0, "Its length, low half; all ones for none.";
    ShmLenHigh = 0x0b4, "Its length, high half.";
    ShmBaseLow = 0x0b8, "Its address, low half.";
    ShmBaseHigh = 0x0bc, "Its address, high half.";
    QueueReset = 0x0c0, "Resets the queue.";
    ConfigGeneration = 0x0fc, "Changes with the configuration space.";
}
