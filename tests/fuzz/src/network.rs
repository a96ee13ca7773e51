//! The host's network: every socket opens, and answers by the fuzzer's bytes.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferrite_net::host::{HostListener, HostNet, HostPing, HostTcp, HostUdp, TcpStatus};

#[derive(Default)]
struct Shared {
    script: VecDeque<u8>,
    now_ms: i64,
}

/// The network. Clones are the same one.
#[derive(Clone, Default)]
pub struct Scripted(Arc<Mutex<Shared>>);

impl Scripted {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass and adds to what sockets will do.
    pub fn advance(&self, ms: u16, script: &[u8]) {
        let mut shared = self.shared();
        shared.now_ms += i64::from(ms);
        shared.script.extend(script);
    }

    /// What the next call does: a byte of the script, or "not now".
    fn step(&self) -> io::Result<u8> {
        let step = self.shared().script.pop_front();
        match step {
            None | Some(0) => Err(io::ErrorKind::WouldBlock.into()),
            Some(1) => Err(io::ErrorKind::ConnectionReset.into()),
            Some(step) => Ok(step),
        }
    }

    /// As [`Self::step`], filling `buf` with a length of the script's choice.
    fn fill(&self, buf: &mut [u8]) -> io::Result<usize> {
        let step = self.step()?;
        // 2 is the end of the stream, others are lengths that grow beyond a packet.
        let len = (usize::from(step) - 2).pow(2).min(buf.len());
        buf[..len].fill(step);
        Ok(len)
    }
}

impl HostTcp for Scripted {
    fn status(&mut self) -> TcpStatus {
        match self.step() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => TcpStatus::Connecting,
            Err(_) => TcpStatus::Failed,
            Ok(_) => TcpStatus::Connected,
        }
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.fill(buf)
    }

    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(data.len().min(usize::from(self.step()?) * 16))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.step().map(|_| ())
    }

    fn abort(&mut self) {}
}

impl HostUdp for Scripted {
    fn send_to(&mut self, _data: &[u8], _to: SocketAddrV4) -> io::Result<()> {
        self.step().map(|_| ())
    }

    fn recv_from(&mut self, buf: &mut [u8]) -> io::Result<(usize, SocketAddrV4)> {
        let len = self.fill(buf)?;
        Ok((len, SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 53)))
    }
}

impl HostPing for Scripted {
    fn send(&mut self, _sequence: u16, _payload: &[u8]) -> io::Result<()> {
        self.step().map(|_| ())
    }

    fn receive(&mut self, buf: &mut [u8]) -> io::Result<(u16, usize)> {
        let len = self.fill(buf)?;
        Ok((len as u16, len))
    }
}

impl HostListener for Scripted {
    fn accept(&mut self) -> io::Result<(Box<dyn HostTcp>, SocketAddrV4)> {
        let port = 1024 + u16::from(self.step()?);
        let peer = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        Ok((Box::new(self.clone()), peer))
    }
}

impl HostNet for Scripted {
    fn now_ms(&self) -> i64 {
        self.shared().now_ms
    }

    fn random_seed(&mut self) -> io::Result<u64> {
        Ok(0x0123_4567_89ab_cdef)
    }

    fn tcp_connect(&mut self, _to: SocketAddrV4) -> io::Result<Box<dyn HostTcp>> {
        Ok(Box::new(self.clone()))
    }

    fn tcp_listen(&mut self, _at: SocketAddrV4) -> io::Result<Box<dyn HostListener>> {
        Ok(Box::new(self.clone()))
    }

    fn udp_bind(&mut self, _at: SocketAddrV4) -> io::Result<Box<dyn HostUdp>> {
        Ok(Box::new(self.clone()))
    }

    fn ping(&mut self, _to: Ipv4Addr) -> io::Result<Box<dyn HostPing>> {
        Ok(Box::new(self.clone()))
    }

    fn resolver(&mut self) -> Option<SocketAddrV4> {
        Some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 53))
    }
}
