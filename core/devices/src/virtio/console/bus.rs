//! The ports of an adapter, which come and go.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferrite_machine::backend::CharBackend;

use super::port::Port;
use super::spec::MAX_PORTS;

/// A port could not be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The number is not below the device's limit.
    #[error("a port number must be below {MAX_PORTS}, not {0}")]
    BadNumber(u32),
    /// Another port has the number.
    #[error("port number {0} is taken")]
    Taken(u32),
    /// Another port has the name.
    #[error("a port named {0} exists already")]
    NameTaken(String),
    /// Every number is taken.
    #[error("the device has no free port")]
    Full,
}

/// What happened to a port.
pub(super) enum Change {
    /// It came; its number.
    Added(usize),
    /// It is gone.
    Removed(Port),
}

/// What an adapter and those who plug ports into it see.
#[derive(Default)]
pub(super) struct Ports {
    /// The ports.
    pub(super) ports: Vec<Port>,
    /// What the driver has not been told.
    pub(super) changes: Vec<Change>,
}

/// The bus of an adapter. Clones are the same. What changes reaches the guest when its devices are
/// polled next.
#[derive(Clone, Default)]
pub struct SerialBus(Arc<Mutex<Ports>>);

impl SerialBus {
    pub(super) fn lock(&self) -> MutexGuard<'_, Ports> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`super::VirtioConsole::add_console`].
    pub fn add_console(
        &self,
        number: Option<u32>,
        name: Option<String>,
        backend: Box<dyn CharBackend>,
    ) -> Result<u32, PortError> {
        self.add(number, 0, name, true, backend)
    }

    /// See [`super::VirtioConsole::add_serial_port`].
    pub fn add_serial_port(
        &self,
        number: Option<u32>,
        name: Option<String>,
        backend: Box<dyn CharBackend>,
    ) -> Result<u32, PortError> {
        self.add(number, 1, name, false, backend)
    }

    fn add(
        &self,
        number: Option<u32>,
        first: u32,
        name: Option<String>,
        is_console: bool,
        backend: Box<dyn CharBackend>,
    ) -> Result<u32, PortError> {
        let mut all = self.lock();
        let taken = |n: u32| all.ports.iter().any(|p| p.number == n as usize);
        let number = match number {
            Some(n) if n >= MAX_PORTS => return Err(PortError::BadNumber(n)),
            Some(n) if taken(n) => return Err(PortError::Taken(n)),
            Some(n) => n,
            None => (first..MAX_PORTS)
                .find(|n| !taken(*n))
                .ok_or(PortError::Full)?,
        };
        if let Some(name) = &name
            && all.ports.iter().any(|p| p.name.as_ref() == Some(name))
        {
            return Err(PortError::NameTaken(name.clone()));
        }
        all.ports
            .push(Port::new(number as usize, name, is_console, backend));
        all.changes.push(Change::Added(number as usize));
        Ok(number)
    }

    /// Takes a port away.
    pub fn remove(&self, number: u32) {
        let mut all = self.lock();
        let at = all.ports.iter().position(|p| p.number == number as usize);
        if let Some(at) = at {
            let port = all.ports.remove(at);
            all.changes.push(Change::Removed(port));
        }
    }
}
