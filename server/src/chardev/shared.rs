//! A back end that can be handed out, exchanged and looked at while a device uses it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferrite_machine::backend::CharBackend;

/// The back end; clones are the same one.
#[derive(Clone)]
pub struct Shared {
    backend: Arc<Mutex<Box<dyn CharBackend>>>,
}

impl Shared {
    /// Stands for `backend`.
    #[must_use]
    pub fn new(backend: Box<dyn CharBackend>) -> Self {
        Self {
            backend: Arc::new(Mutex::new(backend)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn CharBackend>> {
        self.backend.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts another back end in its place; the old one is closed.
    pub fn replace(&self, backend: Box<dyn CharBackend>) {
        *self.lock() = backend;
    }
}

impl CharBackend for Shared {
    fn write(&mut self, data: &[u8]) -> usize {
        self.lock().write(data)
    }

    fn read(&mut self, buf: &mut [u8]) -> usize {
        self.lock().read(buf)
    }

    fn connected(&self) -> bool {
        self.lock().connected()
    }
}
