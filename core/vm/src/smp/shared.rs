//! What the threads of a machine share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::Threads;
use super::mailbox::{Mailbox, news};
use crate::psci::Power;
use crate::virt::Board;

/// The board behind its lock, and a mailbox for each CPU.
pub(super) struct Shared {
    /// Absent once the machine was put together again.
    board: Mutex<Option<Board>>,
    mailboxes: Box<[Mailbox]>,
    halting: AtomicBool,
    threads: Arc<dyn Threads>,
}

impl Shared {
    pub fn new(board: Board, cpus: usize, threads: Arc<dyn Threads>) -> Self {
        Self {
            board: Mutex::new(Some(board)),
            mailboxes: (0..cpus).map(|_| Mailbox::default()).collect(),
            halting: AtomicBool::new(false),
            threads,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Board>> {
        self.board
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
    }

    /// Takes the board back.
    pub fn take_board(&self) -> Option<Board> {
        self.lock().take()
    }

    /// Works on the board, and tells CPUs and owner what came of it.
    pub fn with_board<R>(&self, act: impl FnOnce(&mut Board) -> R) -> Option<R> {
        let mut guard = self.lock();
        let board = guard.as_mut()?;
        let result = act(board);
        self.publish(board);
        Some(result)
    }

    fn publish(&self, board: &mut Board) {
        for cpu in board.take_changed_outputs() {
            let Some(mailbox) = self.mailboxes.get(cpu) else {
                continue;
            };
            if mailbox.set_lines(board.lines(cpu)) {
                self.tell(cpu, news::LINES);
            }
        }
        if board.take_owner_due() {
            self.threads.call_owner();
        }
    }

    /// After a call to firmware: lets CPUs know that were turned on.
    pub fn publish_power(&self, board: &Board) {
        for (cpu, power) in board.psci.power.iter().enumerate() {
            if matches!(power, Power::Pending { .. }) {
                self.tell(cpu, news::POWER);
            }
        }
    }

    /// Leaves a note for a CPU.
    pub fn tell(&self, cpu: usize, what: u8) {
        if self.mailboxes.get(cpu).is_some_and(|m| m.tell(what)) {
            self.threads.wake(cpu);
        }
    }

    /// A CPU's mailbox.
    pub fn mailbox(&self, cpu: usize) -> Option<&Mailbox> {
        self.mailboxes.get(cpu)
    }

    /// Every CPU's mailbox but one's.
    pub fn others(&self, cpu: usize) -> impl Iterator<Item = (usize, &Mailbox)> {
        let all = self.mailboxes.iter().enumerate();
        all.filter(move |(other, _)| *other != cpu)
    }

    /// Lets other threads run for a moment.
    pub fn pause(&self) {
        self.threads.pause();
    }

    /// Asks every runner to come back at the end of its turn.
    pub fn halt(&self) {
        self.halting.store(true, Ordering::SeqCst);
    }

    /// Whether runners are to come back.
    pub fn is_halting(&self) -> bool {
        self.halting.load(Ordering::SeqCst)
    }
}
