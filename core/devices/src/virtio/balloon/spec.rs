//! Numbers of the memory balloon (the spec, section 5.5).

/// Feature bits, as masks.
pub mod feature {
    /// There is a queue for statistics.
    pub const STATS_VQ: u64 = 1 << 1;
    /// The driver may take pages back when the guest runs out of memory.
    pub const DEFLATE_ON_OOM: u64 = 1 << 2;
    /// The driver tells what it fills free pages with.
    pub const PAGE_POISON: u64 = 1 << 4;
    /// There is a queue on which the driver reports free pages.
    pub const REPORTING: u64 = 1 << 5;
}

/// Queues.
pub mod queue {
    /// Pages that the guest gives up.
    pub const INFLATE: usize = 0;
    /// Pages that the guest takes back.
    pub const DEFLATE: usize = 1;
    /// Statistics.
    pub const STATS: usize = 2;
    /// Free pages, where the device offers to hear of them.
    pub const REPORTING: usize = 3;
}

/// Offsets in the configuration space.
pub mod config {
    /// Pages that the guest has given up.
    pub const ACTUAL: usize = 4;
    /// What the guest fills free pages with.
    pub const POISON: usize = 12;
    /// The end.
    pub const LEN: usize = 16;
}

/// Bits of an address within a page, whatever the guest's page size.
pub const PAGE_SHIFT: u32 = 12;
/// Bytes of a page.
pub const PAGE: u64 = 1 << PAGE_SHIFT;
/// Bytes of one statistic: tag, value.
pub const STAT_BYTES: usize = 10;

/// What the driver tells, by tag (section 5.5.6.4); the names are those of QEMU's `guest-stats`.
pub const STATS: [&str; 16] = [
    "stat-swap-in",
    "stat-swap-out",
    "stat-major-faults",
    "stat-minor-faults",
    "stat-free-memory",
    "stat-total-memory",
    "stat-available-memory",
    "stat-disk-caches",
    "stat-htlb-pgalloc",
    "stat-htlb-pgfail",
    "stat-oom-kills",
    "stat-alloc-stalls",
    "stat-async-scans",
    "stat-direct-scans",
    "stat-async-reclaims",
    "stat-direct-reclaims",
];
