//! Which base address register answers a bus address: what the bridges on the way let through.

use super::PciHost;

/// A span of bus addresses that a base address register answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decoded {
    io: bool,
    first: u64,
    last: u64,
    function: usize,
    bar: usize,
    /// Where the register points: not `first` where a bridge cuts the span short.
    base: u64,
}

impl PciHost {
    /// Makes the table of what answers where.
    fn decode(&mut self) {
        self.stale = false;
        let mut decoded = Vec::new();
        let everything = Some((0, u64::MAX));
        self.decode_bus(0, [everything, everything, everything], &mut decoded);
        self.decoded = decoded;
    }

    /// Adds what is on a bus, cut to the I/O, memory and prefetchable memory that get there.
    fn decode_bus(&self, bus: usize, passed: [Option<(u64, u64)>; 3], into: &mut Vec<Decoded>) {
        for (id, function) in self.topology.on_bus(bus) {
            let config = &function.config;
            for (number, bar) in config.bars().into_iter().enumerate() {
                let (Some(bar), Some(base)) = (bar, config.bar_address(number)) else {
                    continue;
                };
                let io = bar.kind.is_io();
                let span = Some((base, base + (bar.size - 1)));
                let windows = if io { &passed[..1] } else { &passed[1..] };
                for (first, last) in windows.iter().filter_map(|w| intersection(span, *w)) {
                    let known = into.iter().any(|d: &Decoded| {
                        (d.function, d.bar, d.first, d.last) == (id, number, first, last)
                    });
                    if !known {
                        into.push(Decoded {
                            io,
                            first,
                            last,
                            function: id,
                            bar: number,
                            base,
                        });
                    }
                }
            }
            if let Some(below) = function.secondary {
                let windows = config.windows();
                // A window of a bridge passes on what reaches the bridge by either memory window.
                let memory = [passed[1], passed[2]];
                let reach = |window| memory.iter().find_map(|m| intersection(window, *m));
                let inner = [
                    intersection(windows.io, passed[0]),
                    reach(windows.memory),
                    reach(windows.prefetchable),
                ];
                self.decode_bus(below, inner, into);
            }
        }
    }

    /// The base address register that answers an access, and the offset in what it maps.
    pub(super) fn target(
        &mut self,
        io: bool,
        address: u64,
        bytes: u64,
    ) -> Option<(usize, usize, u64)> {
        if self.stale {
            self.decode();
        }
        let last = address.checked_add(bytes - 1)?;
        let found = self
            .decoded
            .iter()
            .find(|d| d.io == io && d.first <= address && last <= d.last)?;
        Some((found.function, found.bar, address - found.base))
    }
}

fn intersection(a: Option<(u64, u64)>, b: Option<(u64, u64)>) -> Option<(u64, u64)> {
    let (a, b) = (a?, b?);
    let (first, last) = (a.0.max(b.0), a.1.min(b.1));
    (first <= last).then_some((first, last))
}
