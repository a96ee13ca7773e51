//! A 9P client into the server of a folder: no panic, every reply fits and is well-formed, and the
//! folder itself stays.
//!
//! A message is its type, a length and a body; a type of 0 sets how long replies may be. The
//! server's session has a version at first, so that most messages do something.

#![no_main]

use ferrite_devices::virtio::p9::memory_folder::{self, Folder};
use ferrite_devices::virtio::p9::{Server, ServerOptions};
use ferrite_fuzz::Input;
use ferrite_machine::shared_folder::{FolderPath, MODE_DIRECTORY, MODE_REGULAR, MODE_SYMLINK};
use libfuzzer_sys::fuzz_target;

const VERSION: u8 = 100;

/// The path with these names, which are good ones.
fn path(text: &str) -> FolderPath {
    memory_folder::path(text).expect("good names")
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = 7 + body.len() as u32;
    let mut message = len.to_le_bytes().to_vec();
    message.extend([kind, 0xcd, 0xab]);
    message.extend(body);
    message
}

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let folder = Folder::new();
    for (name, mode, content) in [
        ("file", MODE_REGULAR | 0o644, &b"contents"[..]),
        ("dir", MODE_DIRECTORY | 0o755, b""),
        ("dir/inner", MODE_REGULAR | 0o600, b""),
        ("link", MODE_SYMLINK | 0o777, b"../../etc"),
    ] {
        folder.put(path(name), mode, content).expect("a new name");
    }
    let options = ServerOptions {
        read_only: input.u8() == 1,
        max_open_files: 8,
    };
    let mut server = Server::new(Box::new(folder.clone()), options);
    let mut limit = 65_536;
    server.handle(&message(VERSION, b"\0\0\x01\0\x08\09P2000.L"), limit);
    while !input.is_empty() {
        let kind = input.u8();
        if kind == 0 {
            limit = usize::from(input.u16());
            continue;
        }
        let len = usize::from(input.u8());
        let reply = server.handle(&message(kind, input.bytes(len)), limit);
        assert!(reply.len() <= limit, "{} of {limit} bytes", reply.len());
        if let Some((size, rest)) = reply.split_first_chunk() {
            assert_eq!(u32::from_le_bytes(*size) as usize, reply.len());
            assert_eq!(rest.get(1..3), Some(&[0xcd, 0xab][..]));
        }
        assert!(folder.contains(&FolderPath::root()));
    }
}

fuzz_target!(|data: &[u8]| run(data));
