//! A 9P server on a thread of its own.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use ferrite_devices::virtio::p9::{MessageServer, Server};

use super::Waker;

enum Job {
    Message {
        id: u64,
        message: Vec<u8>,
        limit: usize,
    },
    Reset,
}

/// A [`Server`] that answers without holding the machine up.
pub struct P9Thread {
    /// `None` once the value is being dropped.
    jobs: Option<Sender<Job>>,
    answers: Receiver<(u64, Vec<u8>)>,
    worker: Option<JoinHandle<()>>,
}

impl P9Thread {
    /// Moves `server` to a thread. `waker` is called whenever there is an answer.
    pub fn new(mut server: Server, waker: Waker) -> io::Result<Self> {
        let (jobs, todo) = channel::<Job>();
        let (answered, answers) = channel();
        let work = move || {
            for job in todo {
                match job {
                    Job::Reset => server.reset(),
                    Job::Message { id, message, limit } => {
                        let reply = server.handle(&message, limit);
                        if answered.send((id, reply)).is_err() {
                            return;
                        }
                        waker();
                    }
                }
            }
        };
        let worker = thread::Builder::new().name("9p".into()).spawn(work)?;
        Ok(Self {
            jobs: Some(jobs),
            answers,
            worker: Some(worker),
        })
    }

    fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // The thread ends only when this value does.
            let _ = jobs.send(job);
        }
    }
}

impl MessageServer for P9Thread {
    fn submit(&mut self, id: u64, message: Vec<u8>, limit: usize) {
        self.send(Job::Message { id, message, limit });
    }

    fn poll(&mut self) -> Option<(u64, Vec<u8>)> {
        self.answers.try_recv().ok()
    }

    fn reset(&mut self) {
        self.send(Job::Reset);
    }
}

impl Drop for P9Thread {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use ferrite_devices::virtio::p9::ServerOptions;

    use super::*;
    use crate::backend::host_folder::{HostFolder, SecurityModel};

    #[test]
    fn answers_come_in_order_with_a_wake_up_each() {
        let shared = tempfile::tempdir().unwrap();
        let folder = HostFolder::open(shared.path(), SecurityModel::None).unwrap();
        let server = Server::new(Box::new(folder), ServerOptions::default());
        let (wake, woken) = channel();
        let waker: Waker = Arc::new(move || {
            let _ = wake.send(());
        });
        let mut thread = P9Thread::new(server, waker).unwrap();
        // Tversion with a tag of its own for each.
        let version = |tag: u8| {
            let body = b"\0\0\x01\0\x08\09P2000.L";
            [b"\x15\0\0\0\x64", &[tag, 0][..], body].concat()
        };
        for id in 0..3 {
            thread.submit(id, version(id as u8), 100);
        }
        for id in 0..3 {
            woken.recv_timeout(Duration::from_secs(30)).unwrap();
            let (answered, reply) = thread.poll().unwrap();
            assert_eq!((answered, reply[4], reply[5]), (id, 0x65, id as u8));
        }
    }
}
