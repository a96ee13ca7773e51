//! QMP clients of a sandbox's machine. Its monitors are inside; here is only what carries their
//! bytes, a conversation for each client that connects.

use ferrite_cli::MonitorMode;
use ferrite_machine::backend::CharBackend;
use ferrite_sandbox::{Machine, SandboxError};

use crate::chardev::socket::Socket;
use crate::chardev::{Stream, stdio};
use crate::launch::MonitorEnd;
use crate::wake::Waker;

/// Why a monitor cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// Not in a sandbox.
    #[error("--sandbox: {0} is not available there")]
    NotThere(&'static str),
    /// The host refused.
    #[error("-qmp: {0}")]
    Host(#[from] std::io::Error),
}

/// All monitors of the process.
pub struct Monitors {
    ends: Vec<End>,
    /// A conversation of the process's own.
    own: Option<u32>,
}

struct End {
    stream: Box<dyn CharBackend>,
    conversation: Option<u32>,
    /// What the stream has not taken yet.
    unsent: Vec<u8>,
}

impl Monitors {
    /// Opens what the command line asks for.
    pub fn open(
        monitors: Vec<(MonitorEnd, MonitorMode)>,
        waker: &Waker,
    ) -> Result<Self, MonitorError> {
        let mut ends = Vec::new();
        for (end, mode) in monitors {
            let stream: Box<dyn CharBackend> = match (end, mode) {
                // The terminal's keys still end the machine.
                (MonitorEnd::Mux(_), MonitorMode::Readline) => continue,
                (_, MonitorMode::Readline) => {
                    return Err(MonitorError::NotThere("a human monitor"));
                }
                (MonitorEnd::Mux(_), MonitorMode::Control) => {
                    return Err(MonitorError::NotThere("QMP on a shared terminal"));
                }
                (MonitorEnd::Socket(spec, _), _) if spec.websocket => {
                    return Err(MonitorError::NotThere("QMP over a WebSocket"));
                }
                (MonitorEnd::Socket(spec, _), _) if spec.tls.is_some() => {
                    return Err(MonitorError::NotThere("QMP over TLS"));
                }
                (MonitorEnd::Socket(spec, _), _) if spec.server => Box::new(Socket::listen(
                    &spec.address,
                    spec.wait,
                    None,
                    waker.clone(),
                )?),
                (MonitorEnd::Socket(spec, _), _) => {
                    Box::new(Socket::connect(&spec.address, None, waker.clone())?)
                }
                (MonitorEnd::Stdio, _) => {
                    let (input, output) = stdio::open(waker.clone());
                    Box::new(Stream { input, output })
                }
                (MonitorEnd::Stream(stream), _) => stream,
            };
            ends.push(End {
                stream,
                conversation: None,
                unsent: Vec::new(),
            });
        }
        Ok(Self { ends, own: None })
    }

    /// Passes on what clients say.
    pub fn listen(&mut self, machine: &mut Machine) -> Result<(), SandboxError> {
        for end in &mut self.ends {
            end.listen(machine)?;
        }
        Ok(())
    }

    /// Passes on what the machine says to them.
    pub fn tell(&mut self, machine: &mut Machine) -> Result<(), SandboxError> {
        for end in &mut self.ends {
            end.tell(machine)?;
        }
        if let Some(own) = self.own {
            while machine.qmp_receive(own)?.is_some() {}
        }
        Ok(())
    }

    /// Has the machine end.
    pub fn quit(&mut self, machine: &mut Machine) -> Result<(), SandboxError> {
        let own = machine.qmp_open()?;
        self.own = Some(own);
        machine.qmp_send(own, br#"{"execute":"qmp_capabilities"}{"execute":"quit"}"#)
    }
}

impl End {
    fn listen(&mut self, machine: &mut Machine) -> Result<(), SandboxError> {
        match (self.stream.connected(), self.conversation) {
            (true, None) => self.conversation = Some(machine.qmp_open()?),
            (false, Some(id)) => {
                machine.qmp_close(id)?;
                self.conversation = None;
                self.unsent.clear();
            }
            _ => {}
        }
        let mut buffer = [0; 4096];
        // A client that does not read its answers gets no more of them.
        while self.unsent.is_empty() {
            let count = self.stream.read(&mut buffer);
            let (1.., Some(id)) = (count, self.conversation) else {
                return Ok(());
            };
            machine.qmp_send(id, &buffer[..count])?;
        }
        Ok(())
    }

    fn tell(&mut self, machine: &mut Machine) -> Result<(), SandboxError> {
        let Some(id) = self.conversation else {
            return Ok(());
        };
        loop {
            while !self.unsent.is_empty() {
                let count = self.stream.write(&self.unsent);
                if count == 0 {
                    return Ok(());
                }
                self.unsent.drain(..count);
            }
            match machine.qmp_receive(id)? {
                Some(line) => self.unsent = line,
                None => return Ok(()),
            }
        }
    }
}
