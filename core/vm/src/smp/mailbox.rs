//! What a CPU is told by others.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use ferrite_aarch64::platform::{InterruptLines, Maintenance};

/// Kinds of news.
pub(super) mod news {
    /// Its interrupt inputs changed.
    pub const LINES: u8 = 1 << 0;
    /// An event was sent to it.
    pub const EVENT: u8 = 1 << 1;
    /// There is maintenance to do.
    pub const MAINTENANCE: u8 = 1 << 2;
    /// Firmware turned it on.
    pub const POWER: u8 = 1 << 3;
}

mod line {
    pub const IRQ: u8 = 1 << 0;
    pub const FIQ: u8 = 1 << 1;
}

/// Of one CPU. Its runner reads, everybody writes.
#[derive(Default)]
pub(super) struct Mailbox {
    news: AtomicU8,
    lines: AtomicU8,
    /// Whether its CPU runs guest code, or is about to without looking here first.
    running: AtomicBool,
    maintenance: Mutex<Vec<Maintenance>>,
    /// How many operations were ever asked for, and taken.
    asked: AtomicU64,
    taken: AtomicU64,
}

impl Mailbox {
    /// Leaves a note. True if the CPU's thread has to be woken to see it.
    pub fn tell(&self, what: u8) -> bool {
        self.news.fetch_or(what, Ordering::SeqCst);
        !self.running.load(Ordering::SeqCst)
    }

    /// Takes all notes.
    pub fn take(&self) -> u8 {
        if self.news.load(Ordering::SeqCst) == 0 {
            return 0;
        }
        self.news.swap(0, Ordering::SeqCst)
    }

    /// Whether there are any.
    pub fn has_news(&self) -> bool {
        self.news.load(Ordering::SeqCst) != 0
    }

    /// The CPU begins or ends to run guest code.
    pub fn set_running(&self, running: bool) {
        self.running.store(running, Ordering::SeqCst);
    }

    /// The levels of the interrupt inputs.
    pub fn lines(&self) -> InterruptLines {
        let lines = self.lines.load(Ordering::Acquire);
        InterruptLines {
            irq: lines & line::IRQ != 0,
            fiq: lines & line::FIQ != 0,
        }
    }

    /// Sets the levels of the interrupt inputs; whether they changed.
    pub fn set_lines(&self, lines: InterruptLines) -> bool {
        let InterruptLines { irq, fiq } = lines;
        let bits = (u8::from(irq) * line::IRQ) | (u8::from(fiq) * line::FIQ);
        self.lines.swap(bits, Ordering::AcqRel) != bits
    }

    fn queue(&self) -> MutexGuard<'_, Vec<Maintenance>> {
        self.maintenance
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
    }

    /// Asks for maintenance.
    pub fn ask(&self, maintenance: Maintenance) {
        let mut queue = self.queue();
        // Nothing is left for others to do then, and the queue of a CPU that sleeps stays short.
        if queue.len() >= 64 || maintenance == Maintenance::TlbAll {
            queue.clear();
            queue.push(Maintenance::TlbAll);
        } else {
            queue.push(maintenance);
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes what is asked for. The CPU does it before it runs guest code again.
    pub fn take_maintenance(&self) -> Vec<Maintenance> {
        let mut queue = self.queue();
        let asked = self.asked.load(Ordering::SeqCst);
        self.taken.store(asked, Ordering::SeqCst);
        std::mem::take(&mut queue)
    }

    /// How much was asked for so far.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Whether guest code may still run here that has not seen what was asked for as number `asked`
    /// or before.
    pub fn is_behind(&self, asked: u64) -> bool {
        self.running.load(Ordering::SeqCst) && self.taken.load(Ordering::SeqCst) < asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_becomes_one_flush() {
        let mailbox = Mailbox::default();
        mailbox.set_running(true);
        for n in 0..100_000 {
            mailbox.ask(Maintenance::TlbPage {
                va: n << 12,
                asid: None,
            });
        }
        assert!(mailbox.is_behind(mailbox.asked()));
        let taken = mailbox.take_maintenance();
        assert!(taken.len() <= 64 && taken.contains(&Maintenance::TlbAll));
        assert!(!mailbox.is_behind(mailbox.asked()));
    }

    #[test]
    fn who_does_not_run_is_not_waited_for() {
        let mailbox = Mailbox::default();
        mailbox.ask(Maintenance::TlbAll);
        assert!(!mailbox.is_behind(1));
        assert!(mailbox.tell(news::MAINTENANCE));
        mailbox.set_running(true);
        assert!(!mailbox.tell(news::EVENT));
        assert_eq!(mailbox.take(), news::MAINTENANCE | news::EVENT);
        assert_eq!(mailbox.take(), 0);
    }
}
