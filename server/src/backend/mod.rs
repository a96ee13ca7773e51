//! The host's side of devices on a native host: files, folders, random numbers.

pub mod block_file;
#[cfg(target_os = "linux")]
pub mod host_folder;
pub mod p9;
pub mod random;

use std::sync::Arc;

/// Called, from any thread, when a backend has news for its device: the machine is to poll.
pub type Waker = Arc<dyn Fn() + Send + Sync>;
