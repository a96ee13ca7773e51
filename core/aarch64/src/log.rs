//! What a CPU writes into a log when it is asked to: translations and exceptions, as text.

use std::io::Write;
use std::sync::{Arc, Mutex};

use ferrite_ir::engine::HostCode;
use ferrite_ir::{Op, Region, opt};

use crate::decode::GROUPS;
use crate::exception::Exception;
use crate::features::Features;

bitflags::bitflags! {
    /// What goes into the log.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct LogItems: u8 {
        /// Guest instructions, when they are translated.
        const IN_ASM = 1 << 0;
        /// Their intermediate representation, before it is optimised.
        const OP = 1 << 1;
        /// Exceptions, when they are taken.
        const INT = 1 << 2;
        /// The intermediate representation after it has been optimised.
        const OP_OPT = 1 << 3;
        /// Host code, when it is made.
        const OUT_ASM = 1 << 4;
    }
}

/// A log; clones write to the same place.
#[derive(Clone)]
pub struct Log {
    items: LogItems,
    out: Arc<Mutex<dyn Write + Send>>,
}

impl Log {
    /// A log of `items`.
    #[must_use]
    pub fn new(items: LogItems, out: Arc<Mutex<dyn Write + Send>>) -> Self {
        Self { items, out }
    }

    fn write(&self, text: &str) {
        let mut out = self.out.lock().unwrap_or_else(|poison| poison.into_inner());
        // A log that cannot be written must not stop the guest.
        let _ = out.write_all(text.as_bytes());
    }

    /// A region was made from the code at its entry.
    pub(crate) fn translated(
        &self,
        region: &Region,
        features: Features,
        word: impl Fn(u64) -> Option<u32>,
    ) {
        if self.items.contains(LogItems::IN_ASM) {
            let mut text = String::from("----------------\nIN:\n");
            let ops = region.blocks.iter().flat_map(|block| &block.ops);
            let addresses = ops.filter_map(|op| match *op {
                Op::Insn { pc } => Some(pc),
                _ => None,
            });
            for address in addresses {
                let Some(word) = word(address) else { break };
                let shown = GROUPS.iter().find_map(|group| (group.show)(word, features));
                let shown = shown.unwrap_or_else(|| "undefined".to_owned());
                text += &format!("{address:#018x}:  {word:08x}  {shown}\n");
            }
            self.write(&text);
        }
        if self.items.contains(LogItems::OP) {
            self.write(&format!("OP:\n{region}\n"));
        }
        if self.items.contains(LogItems::OP_OPT) {
            let mut region = region.clone();
            opt::optimise(&mut region);
            self.write(&format!("OP after optimization:\n{region}\n"));
        }
    }

    /// Host code was made.
    pub fn compiled(&self, code: HostCode<'_>) {
        if !self.items.contains(LogItems::OUT_ASM) {
            return;
        }
        let HostCode {
            engine,
            pc,
            address,
            bytes,
        } = code;
        let mut text = format!("OUT: [size={}] {engine}, of {pc:#018x}\n", bytes.len());
        for (n, line) in bytes.chunks(16).enumerate() {
            text += &format!("{:#018x}: ", address.wrapping_add(16 * n as u64));
            for byte in line {
                text += &format!(" {byte:02x}");
            }
            text.push('\n');
        }
        self.write(&text);
    }

    /// An exception was taken from `from`, on CPU `cpu`, to the vector at `pc`.
    pub(crate) fn taken(&self, cpu: usize, from: u8, exception: &Exception, pc: u64) {
        if !self.items.contains(LogItems::INT) {
            return;
        }
        let Exception {
            target,
            vector,
            syndrome,
            address,
            return_to,
        } = exception;
        let mut text =
            format!("Taking exception {vector:?} on CPU {cpu} from EL{from} to EL{target}\n");
        if let Some(syndrome) = syndrome {
            text += &format!("...with ESR {:#x}/{syndrome:#x}\n", syndrome >> 26);
        }
        if let Some(address) = address {
            text += &format!("...with FAR {address:#x}\n");
        }
        text += &format!("...with ELR {return_to:#x}\n...to EL{target} PC {pc:#x}\n");
        self.write(&text);
    }
}
