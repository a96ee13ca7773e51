//! Guest, network and host put together.

use std::net::SocketAddrV4;

use ferrite_net::{Forward, Options, UserNet};

use crate::fake::Fake;
use crate::guest::Guest;

pub struct Setup {
    pub fake: Fake,
    pub net: UserNet,
    pub guest: Guest,
}

impl Setup {
    pub fn new() -> Self {
        Self::with(&Options::default())
    }

    pub fn with(options: &Options) -> Self {
        let fake = Fake::default();
        let net = UserNet::new(Box::new(fake.clone()), options).unwrap();
        Self {
            fake,
            net,
            guest: Guest::new(),
        }
    }

    /// Lets a moment pass, long enough for the guest to ask for an address again.
    pub fn run(&mut self) {
        let now = {
            let mut world = self.fake.world();
            world.now += 1100;
            world.now
        };
        self.guest.exchange(&mut self.net, now);
    }

    /// Lets happen what happens at once.
    pub fn settle(&mut self) {
        let now = self.fake.world().now;
        self.guest.exchange(&mut self.net, now);
    }
}

pub fn at(text: &str) -> SocketAddrV4 {
    text.parse().unwrap()
}

/// A rule that leads port 2222 of the host to port 22 of the guest.
pub fn forward(udp: bool) -> Forward {
    Forward {
        udp,
        host: at("127.0.0.1:2222"),
        guest: None,
        guest_port: 22,
    }
}

/// Bytes that do not repeat soon.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}
