//! A set of CPU numbers.

/// The most CPUs that any interrupt controller here serves.
pub const MAX_CPUS: usize = 512;

/// A set of CPUs below [`MAX_CPUS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuSet([u64; MAX_CPUS / 64]);

impl CpuSet {
    /// Adds a CPU; one beyond the limit is ignored.
    pub fn insert(&mut self, cpu: usize) {
        if let Some(word) = self.0.get_mut(cpu / 64) {
            *word |= 1 << (cpu % 64);
        }
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it has `cpu`.
    #[must_use]
    pub fn contains(&self, cpu: usize) -> bool {
        self.0
            .get(cpu / 64)
            .is_some_and(|word| word >> (cpu % 64) & 1 != 0)
    }

    /// The CPUs in it, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + use<> {
        self.0
            .into_iter()
            .enumerate()
            .flat_map(|(index, mut word)| {
                std::iter::from_fn(move || {
                    let bit = word
                        .checked_sub(1)
                        .map(|_| word.trailing_zeros() as usize)?;
                    word &= word - 1;
                    Some(index * 64 + bit)
                })
            })
    }
}
