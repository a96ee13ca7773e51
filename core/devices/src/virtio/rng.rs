//! The entropy device (the spec, section 5.4): fills each buffer with random bytes.

use ferrite_machine::backend::RandomSource;
use ferrite_machine::trace::Point;

use super::device::{VirtioCx, VirtioDevice};
use super::queue::Chain;
use super::spec::device_type;

/// Most bytes given for one buffer; a driver takes what it gets.
const MAX_BYTES: u64 = 64 << 10;
/// Most buffers filled in one call.
const MAX_CHAINS: usize = 64;

/// `virtio-rng`.
pub struct VirtioRng {
    source: Box<dyn RandomSource>,
    /// A buffer that the source had nothing for yet.
    held: Option<Chain>,
}

impl VirtioRng {
    /// A device that draws from `source`.
    #[must_use]
    pub fn new(source: Box<dyn RandomSource>) -> Self {
        Self { source, held: None }
    }

    fn fill(&mut self, cx: &mut VirtioCx<'_>) {
        for _ in 0..MAX_CHAINS {
            let Some(chain) = self.held.take().or_else(|| cx.pop(0)) else {
                return;
            };
            cx.dma.trace().tell(Point::VirtioRngPopped, || {
                format!("room {}", chain.writable_len())
            });
            let mut bytes = vec![0; chain.writable_len().min(MAX_BYTES) as usize];
            if self.source.fill(&mut bytes).is_err() {
                self.held = Some(chain);
                return;
            }
            let Some(written) = cx.write(&chain, 0, &bytes) else {
                return;
            };
            cx.dma
                .trace()
                .tell(Point::VirtioRngPushed, || format!("len {written}"));
            cx.push(0, chain, written as u64);
        }
        cx.again();
    }
}

impl VirtioDevice for VirtioRng {
    fn device_type(&self) -> u32 {
        device_type::ENTROPY
    }

    fn name(&self) -> &'static str {
        "virtio-rng"
    }

    fn features(&self) -> u64 {
        0
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![8]
    }

    fn config(&self) -> Vec<u8> {
        Vec::new()
    }

    fn notify(&mut self, cx: &mut VirtioCx<'_>, _queue: usize) {
        self.fill(cx);
    }

    fn poll(&mut self, cx: &mut VirtioCx<'_>) {
        self.fill(cx);
    }

    fn reset(&mut self) {
        self.held = None;
    }

    fn reset_queue(&mut self, _queue: usize) {
        self.held = None;
    }
}
