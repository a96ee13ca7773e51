//! The DMA interface: one request in guest memory, served at once.

use ferrite_machine::trace::Point;
use ferrite_machine::{BusError, Cx, Dma};
use ferrite_ram::GuestPhys;

use super::FwCfg;
use super::spec::Control;

/// Bytes copied or cleared in one go.
const CHUNK: usize = 64 << 10;

/// FWCfgDmaAccess, all big-endian in memory: control, length, address.
struct Request {
    control: u32,
    length: u32,
    address: u64,
}

impl Request {
    fn load(dma: &Dma, at: GuestPhys) -> Result<Self, BusError> {
        Ok(Self {
            control: dma.load::<u32>(at)?.swap_bytes(),
            length: dma.load::<u32>(at.offset(4))?.swap_bytes(),
            address: dma.load::<u64>(at.offset(8))?.swap_bytes(),
        })
    }
}

impl FwCfg {
    /// Serves the request at guest-physical address `at` and writes its outcome to its control
    /// word: zero, or the error bit.
    pub(super) fn transfer(&mut self, cx: &mut Cx<'_>, at: u64) {
        self.state.dma_high = 0;
        let at = GuestPhys(at);
        let done = Request::load(cx.dma, at).and_then(|request| self.serve(cx.dma, &request));
        let outcome = match done {
            Ok(()) => Control::empty(),
            Err(BusError) => Control::ERROR,
        };
        // A request outside memory cannot be answered; the guest sees its control word unchanged.
        let _ = cx.dma.store::<u32>(at, outcome.bits().swap_bytes());
    }

    fn serve(&mut self, dma: &Dma, request: &Request) -> Result<(), BusError> {
        let control = Control::from_bits_truncate(request.control);
        dma.trace().tell(Point::FwCfgDma, || {
            let (key, length) = (request.control >> 16, request.length);
            format!("key {key:#x} control {control:?} length {length}")
        });
        if control.contains(Control::SELECT) {
            self.select((request.control >> 16) as u16);
        }
        let length = u64::from(request.length);
        if control.contains(Control::READ) {
            self.copy_out(dma, GuestPhys(request.address), length)?;
        } else if control.contains(Control::WRITE) {
            self.copy_in(dma, GuestPhys(request.address), length)?;
        } else if control.contains(Control::SKIP) {
            self.advance(length);
        }
        Ok(())
    }

    /// Copies memory to the item's next bytes. All of them have to be there and the guest's to
    /// write.
    fn copy_in(&mut self, dma: &Dma, at: GuestPhys, length: u64) -> Result<(), BusError> {
        if length > 0 {
            let length = usize::try_from(length).map_err(|_| BusError)?;
            let into = self.rest_mut().get_mut(..length).ok_or(BusError)?;
            dma.read(at, into)?;
        }
        self.advance(length);
        Ok(())
    }

    /// Copies the item's next bytes to memory, zeros beyond its end.
    fn copy_out(&mut self, dma: &Dma, at: GuestPhys, length: u64) -> Result<(), BusError> {
        static ZEROS: [u8; CHUNK] = [0; CHUNK];
        let mut done = 0;
        while done < length {
            let want = (length - done).min(CHUNK as u64) as usize;
            let rest = self.rest();
            let from = if rest.is_empty() { &ZEROS[..] } else { rest };
            let chunk = &from[..want.min(from.len())];
            dma.write(at.offset(done), chunk)?;
            let copied = chunk.len() as u64;
            self.advance(copied);
            done += copied;
        }
        Ok(())
    }
}
