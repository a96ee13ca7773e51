use ferrite_machine::shared_folder::{FolderPath, MODE_DIRECTORY, MODE_REGULAR, MODE_SYMLINK};

use super::memory_folder::{self, Folder};
use super::{InlineServer, Server, ServerOptions, VirtioP9};
use crate::virtio::guest::{DRIVERS, Guest, Random};

/// A message body in the making: the client's side, after the protocol's text.
#[derive(Default, Clone)]
struct Message(Vec<u8>);

impl Message {
    fn n(mut self, bytes: usize, value: u64) -> Self {
        self.0.extend(&value.to_le_bytes()[..bytes]);
        self
    }
    fn fid(self, fid: u32) -> Self {
        self.n(4, u64::from(fid))
    }
    fn s(self, text: &str) -> Self {
        let mut message = self.n(2, text.len() as u64);
        message.0.extend(text.bytes());
        message
    }
}

#[test]
fn a_file_without_a_name_stays_while_it_is_open() {
    use ferrite_machine::shared_folder::{Errno, OpenMode, SharedFolder};
    let mut folder = Folder::new();
    folder.put(path("a"), MODE_REGULAR | 0o644, b"abc").unwrap();
    folder.link(&path("a"), &path("b")).unwrap();
    let mut open = folder.open(&path("a"), OpenMode::default()).unwrap();
    folder.remove(&path("a"), false).unwrap();
    folder.rename(&path("b"), &path("c")).unwrap();
    assert_eq!(folder.get(&path("c")).unwrap(), b"abc");
    folder.remove(&path("c"), false).unwrap();
    let mut bytes = [0; 4];
    assert_eq!(open.read_at(0, &mut bytes), Ok(3));
    let used = |folder: &mut Folder| {
        let info = folder.info(&FolderPath::root()).unwrap();
        info.blocks - info.blocks_free
    };
    assert_eq!(open.write_at(5000, b"x"), Ok(1));
    assert_eq!(used(&mut folder), 2);
    assert_eq!(open.set_size(1 << 40), Err(Errno::ENOSPC));
    drop(open);
    assert_eq!(used(&mut folder), 0);
}

#[test]
fn a_file_is_replaced_whole_or_not_at_all() {
    use ferrite_machine::shared_folder::{Errno, SharedFolder};
    let mut folder = Folder::new();
    folder.replace(&path("a"), b"old").unwrap();
    let room = folder.info(&FolderPath::root()).unwrap();
    // One block has the old file in it, and would be needed too.
    let room = (room.blocks_free + 1) * u64::from(room.block_size);
    let large = vec![1; room as usize];
    assert_eq!(folder.replace(&path("a"), &large), Err(Errno::ENOSPC));
    assert_eq!(folder.get(&path("a")).unwrap(), b"old");
    folder.replace(&path("a"), b"new").unwrap();
    assert_eq!(folder.get(&path("a")).unwrap(), b"new");
    folder.make_directory(&path("d"), 0o755, 0).unwrap();
    assert_eq!(folder.replace(&path("d"), b"x"), Err(Errno::EISDIR));
    // What was not put, or was replaced, takes no room.
    folder.remove(&path("a"), false).unwrap();
    assert_eq!(folder.replace(&path("a"), &large), Ok(()));
    // Nor does a new file that finds none.
    assert_eq!(folder.replace(&path("b"), b"x"), Err(Errno::ENOSPC));
    assert!(!folder.contains(&path("b")));
}

fn body() -> Message {
    Message::default()
}

struct Client {
    server: Server,
    folder: Folder,
}

const MSIZE: u32 = 8192;

/// The path with these names, which are good ones.
fn path(text: &str) -> FolderPath {
    memory_folder::path(text).unwrap()
}

impl Client {
    fn new(options: ServerOptions) -> Self {
        let folder = Folder::new();
        folder
            .put(path("file"), MODE_REGULAR | 0o644, b"contents")
            .unwrap();
        folder
            .put(path("dir"), MODE_DIRECTORY | 0o755, b"")
            .unwrap();
        folder
            .put(path("dir/inner"), MODE_REGULAR | 0o600, b"")
            .unwrap();
        folder
            .put(path("link"), MODE_SYMLINK | 0o777, b"../../etc")
            .unwrap();
        let server = Server::new(Box::new(folder.clone()), options);
        let mut client = Self { server, folder };
        let version = body().n(4, u64::from(MSIZE)).s("9P2000.L");
        let reply = client.ok(100, version);
        assert_eq!(reply, body().n(4, u64::from(MSIZE)).s("9P2000.L").0);
        let attach = body().fid(0).fid(u32::MAX).s("root").s("").n(4, 0);
        assert_eq!(client.ok(104, attach)[0], 0x80);
        client
    }

    fn send(&mut self, kind: u8, body: Message) -> Result<Vec<u8>, u32> {
        let mut message = (7 + body.0.len() as u32).to_le_bytes().to_vec();
        message.push(kind);
        message.extend([0x34, 0x12]);
        message.extend(body.0);
        let reply = self.server.handle(&message, MSIZE as usize);
        assert_eq!(reply[..4], (reply.len() as u32).to_le_bytes());
        assert_eq!(reply[5..7], [0x34, 0x12]);
        if reply[4] == 7 {
            let errno: [u8; 4] = reply[7..].try_into().unwrap();
            return Err(u32::from_le_bytes(errno));
        }
        assert_eq!(reply[4], kind + 1);
        Ok(reply[7..].to_vec())
    }

    #[track_caller]
    fn ok(&mut self, kind: u8, body: Message) -> Vec<u8> {
        self.send(kind, body).unwrap()
    }

    #[track_caller]
    fn fails(&mut self, kind: u8, body: Message, errno: u32) {
        assert_eq!(self.send(kind, body), Err(errno));
    }

    fn walk(&mut self, fid: u32, new: u32, names: &[&str]) -> Result<Vec<u8>, u32> {
        let start = body().fid(fid).fid(new).n(2, names.len() as u64);
        let walk = names.iter().fold(start, |m, name| m.s(name));
        self.send(110, walk)
    }

    fn attributes(&mut self, fid: u32) -> Vec<u8> {
        self.ok(24, body().fid(fid).n(8, 0x7ff))
    }

    fn has(&self, at: &str) -> bool {
        self.folder.contains(&path(at))
    }
}

fn client() -> Client {
    Client::new(ServerOptions::default())
}

#[test]
fn only_one_version_is_spoken() {
    let mut client = client();
    let reply = client.ok(100, body().n(4, 1 << 30).s("9P2000.u"));
    assert_eq!(reply, body().n(4, 1 << 20).s("unknown").0);
    client.fails(100, body().n(4, 100).s("9P2000.L"), 22);
    // The session is over.
    client.fails(24, body().fid(0).n(8, 0x7ff), 9);
}

#[test]
fn files_are_read_and_written() {
    let mut client = client();
    assert_eq!(client.walk(0, 1, &["file"]).unwrap()[..3], [1, 0, 0]);
    client.fails(116, body().fid(1).n(8, 0).n(4, 10), 9);
    assert_eq!(client.ok(12, body().fid(1).n(4, 2)).len(), 17);
    let data = client.ok(116, body().fid(1).n(8, 3).n(4, 100));
    assert_eq!(data, [&[5, 0, 0, 0][..], b"tents"].concat());
    let mut write = body().fid(1).n(8, 8).n(4, 2);
    write.0.extend(b"!!");
    assert_eq!(client.ok(118, write), [2, 0, 0, 0]);
    client.ok(50, body().fid(1).n(4, 1));
    let attributes = client.attributes(1);
    assert_eq!(attributes[..8], 0x7ff_u64.to_le_bytes());
    // valid, qid, mode, uid, gid, nlink, rdev, then the size
    assert_eq!(attributes[8 + 13 + 12 + 16..][..8], 10_u64.to_le_bytes());
    client.ok(120, body().fid(1));
    client.fails(120, body().fid(1), 9);
}

#[test]
fn reads_fit_the_message() {
    let mut client = client();
    client
        .folder
        .put(path("big"), MODE_REGULAR, &[7; 100_000])
        .unwrap();
    client.walk(0, 1, &["big"]).unwrap();
    client.ok(12, body().fid(1).n(4, 0));
    let data = client.ok(116, body().fid(1).n(8, 0).n(4, u64::from(u32::MAX)));
    assert_eq!(data.len(), MSIZE as usize - 7);
}

#[test]
fn walks_go_as_far_as_they_can() {
    let mut client = client();
    client.walk(0, 1, &["dir", "inner"]).unwrap();
    assert_eq!(
        client.walk(0, 2, &["dir", "none", "x"]).unwrap().len(),
        2 + 13
    );
    client.fails(120, body().fid(2), 9);
    assert_eq!(client.walk(0, 2, &["none", "x"]), Err(2));
    assert_eq!(client.walk(0, 1, &[]), Err(22), "the fid is taken");
    assert_eq!(client.walk(7, 8, &[]), Err(9));
    let many = ["dir"; 17];
    assert_eq!(client.walk(0, 3, &many), Err(22));
}

#[test]
fn no_walk_leaves_the_root() {
    let mut client = client();
    let root = client.attributes(0)[8..21].to_vec();
    let up = client.walk(0, 1, &["..", "..", "dir", "..", ".."]).unwrap();
    assert_eq!(up[2 + 4 * 13..], root);
    for name in ["/", "../..", "dir/inner", "", "a\0b"] {
        assert_eq!(client.walk(0, 2, &[name]), Err(2), "{name:?}");
    }
    // A link is a file with a target; nothing lies below it.
    assert_eq!(client.walk(0, 2, &["link"]).unwrap()[2], 2);
    let target = client.ok(22, body().fid(2));
    assert_eq!(target, body().s("../../etc").0);
    assert_eq!(client.walk(2, 3, &["passwd"]), Err(2));
    client.fails(12, body().fid(2).n(4, 0), 22);
}

#[test]
fn names_of_new_files_are_checked() {
    let mut client = client();
    for name in ["..", ".", "../x", "a/b", ""] {
        let errno = if name.starts_with('.') && !name.contains('/') {
            17
        } else {
            2
        };
        client.fails(72, body().fid(0).s(name).n(4, 0o755).n(4, 0), errno);
        client.fails(16, body().fid(0).s(name).s("t").n(4, 0), errno);
        client.fails(74, body().fid(0).s("file").fid(0).s(name), errno);
        client.fails(76, body().fid(0).s(name).n(4, 0), errno);
    }
    assert!(client.has("file"));
}

#[test]
fn directories_are_listed_in_portions() {
    let mut client = client();
    for n in 0..20 {
        client
            .folder
            .put(path(&format!("dir/{n:02}")), MODE_REGULAR, b"")
            .unwrap();
    }
    client.walk(0, 1, &["dir"]).unwrap();
    client.ok(12, body().fid(1).n(4, 0o200_000));
    let (mut names, mut offset) = (Vec::new(), 0);
    loop {
        let reply = client.ok(40, body().fid(1).n(8, offset).n(4, 100));
        let mut entries = &reply[4..];
        if entries.is_empty() {
            break;
        }
        while !entries.is_empty() {
            offset = u64::from_le_bytes(entries[13..21].try_into().unwrap());
            let len = usize::from(u16::from_le_bytes([entries[22], entries[23]]));
            names.push(String::from_utf8(entries[24..24 + len].to_vec()).unwrap());
            entries = &entries[24 + len..];
        }
    }
    let mut expected = vec![".".to_owned(), "..".to_owned()];
    expected.extend((0..20).map(|n| format!("{n:02}")));
    expected.push("inner".into());
    assert_eq!(names, expected);
    client.fails(118, body().fid(1).n(8, 0).n(4, 0), 9);
}

#[test]
fn the_tree_is_changed() {
    let mut client = client();
    client.walk(0, 1, &[]).unwrap();
    let create = body().fid(1).s("new").n(4, 0o102).n(4, 0o640).n(4, 0);
    client.ok(14, create);
    assert!(client.has("new"));
    client.ok(72, body().fid(0).s("made").n(4, 0o755).n(4, 0));
    client.ok(16, body().fid(0).s("soft").s("anywhere").n(4, 0));
    client.ok(70, body().fid(0).fid(1).s("hard"));
    client.ok(
        18,
        body()
            .fid(0)
            .s("node")
            .n(4, 0o100_644)
            .n(4, 0)
            .n(4, 0)
            .n(4, 0),
    );
    client.fails(
        18,
        body()
            .fid(0)
            .s("null")
            .n(4, 0o020_666)
            .n(4, 1)
            .n(4, 3)
            .n(4, 0),
        95,
    );
    for name in ["made", "soft", "hard", "node"] {
        assert!(client.has(name), "{name}");
    }
    client.fails(76, body().fid(0).s("dir").n(4, 0x200), 39);
    client.ok(76, body().fid(0).s("made").n(4, 0x200));
    client.ok(76, body().fid(0).s("soft").n(4, 0));
    assert!(!client.has("made") && !client.has("soft"));
    client.walk(0, 2, &["hard"]).unwrap();
    client.ok(122, body().fid(2));
    assert!(!client.has("hard"));
    client.fails(120, body().fid(2), 9);
}

#[test]
fn fids_follow_a_rename() {
    let mut client = client();
    client.walk(0, 1, &["dir", "inner"]).unwrap();
    client.ok(74, body().fid(0).s("dir").fid(0).s("moved"));
    assert!(client.has("moved/inner") && !client.has("dir"));
    client.attributes(1);
    client.ok(20, body().fid(1).fid(0).s("top"));
    assert!(client.has("top"));
    client.attributes(1);
}

#[test]
fn attributes_are_set() {
    let mut client = client();
    client.walk(0, 1, &["file"]).unwrap();
    let set = body()
        .fid(1)
        .n(4, 1 | 8)
        .n(4, 0o4711)
        .n(4, 0)
        .n(4, 0)
        .n(8, 3);
    client.ok(26, set.n(8, 0).n(8, 0).n(8, 0).n(8, 0));
    let attributes = client.attributes(1);
    assert_eq!(attributes[21..25], (0o104_711_u32).to_le_bytes());
    assert_eq!(attributes[49..57], 3_u64.to_le_bytes());
}

#[test]
fn a_read_only_share_changes_nothing() {
    let mut client = Client::new(ServerOptions {
        read_only: true,
        ..Default::default()
    });
    client.walk(0, 1, &["file"]).unwrap();
    client.walk(0, 2, &["file"]).unwrap();
    for flags in [1, 2, 0o1000] {
        client.fails(12, body().fid(1).n(4, flags), 30);
    }
    client.ok(12, body().fid(1).n(4, 0));
    client.fails(14, body().fid(0).s("n").n(4, 2).n(4, 0o600).n(4, 0), 30);
    client.fails(72, body().fid(0).s("n").n(4, 0o755).n(4, 0), 30);
    client.fails(76, body().fid(0).s("file").n(4, 0), 30);
    client.fails(122, body().fid(2), 30);
    let set = body().fid(1).n(4, 8).n(4, 0).n(4, 0).n(4, 0).n(8, 3);
    client.fails(26, set.n(8, 0).n(8, 0).n(8, 0).n(8, 0), 30);
    assert_eq!(client.folder.len(), 5);
}

#[test]
fn open_files_are_counted() {
    let mut client = Client::new(ServerOptions {
        max_open_files: 2,
        ..Default::default()
    });
    for fid in 1..4 {
        client.walk(0, fid, &["file"]).unwrap();
    }
    client.ok(12, body().fid(1).n(4, 0));
    client.ok(12, body().fid(2).n(4, 0));
    client.fails(12, body().fid(3).n(4, 0), 23);
    client.ok(120, body().fid(1));
    client.ok(12, body().fid(3).n(4, 0));
}

#[test]
fn what_is_not_there_is_refused() {
    let mut client = client();
    // Txattrwalk, Txattrcreate, Tauth, and a number of nothing.
    for kind in [30, 32, 102, 200] {
        client.fails(kind, body().fid(0).fid(1).s(""), 95);
    }
    // Too short.
    client.fails(110, body().fid(0), 22);
    assert!(client.server.handle(&[7, 0, 0, 0, 120, 0], 100).is_empty());
}

#[test]
fn locks_are_granted_and_the_file_system_described() {
    let mut client = client();
    let lock = body().fid(0).n(1, 1).n(4, 0).n(8, 0).n(8, 0).n(4, 42);
    assert_eq!(client.ok(52, lock.s("me")), [0]);
    let ask = body().fid(0).n(1, 1).n(8, 5).n(8, 6).n(4, 42).s("me");
    assert_eq!(
        client.ok(54, ask),
        body().n(1, 2).n(8, 5).n(8, 6).n(4, 42).s("me").0
    );
    let info = client.ok(8, body().fid(0));
    assert_eq!(
        info[..16],
        body().n(4, 0x0102_1997).n(4, 4096).n(8, 65536).0
    );
    assert_eq!(client.ok(108, body().n(2, 9)), []);
}

/// Messages of random types and bodies: each gets a well-formed answer.
#[test]
fn random_messages_get_answers() {
    let mut client = client();
    let mut random = Random(11);
    for _ in 0..20_000 {
        let kind = random.below(64) as u8 * 2;
        let len = random.below(40);
        let message = (0..len).fold(body(), |m, _| m.n(1, random.below(5)));
        let _ = client.send(kind, message);
        assert!(client.folder.contains(&FolderPath::root()));
    }
}

#[test]
fn messages_travel_through_the_queue() {
    for (version, features) in DRIVERS {
        let folder = Folder::new();
        let server = Server::new(Box::new(folder), ServerOptions::default());
        let device = VirtioP9::new("share", Box::new(InlineServer::new(server))).unwrap();
        let mut guest = Guest::new(version, Box::new(device));
        guest.start(features | 1, &[16]);
        assert_eq!(guest.config::<7>(0), *b"\x05\0share");
        let request = [
            &[21, 0, 0, 0, 100, 0xff, 0xff][..],
            &body().n(4, 8192).s("9P2000.L").0,
        ]
        .concat();
        let reply = guest.request(0, &[&request[..7], &request[7..]], &[7, 100]);
        assert_eq!(
            reply,
            [
                &[21, 0, 0, 0, 101, 0xff, 0xff][..],
                &body().n(4, 8192).s("9P2000.L").0
            ]
            .concat()
        );
        guest.add(0, &[&request], &[4]);
        guest.kick(0);
        assert!(guest.needs_reset(), "no room for a reply");
    }
}

#[test]
fn mount_tags_have_a_length() {
    let make = |tag: &str| {
        let server = Server::new(Box::new(Folder::new()), ServerOptions::default());
        VirtioP9::new(tag, Box::new(InlineServer::new(server))).is_ok()
    };
    assert!(make("a") && make(&"a".repeat(31)));
    assert!(!make("") && !make(&"a".repeat(32)));
}
