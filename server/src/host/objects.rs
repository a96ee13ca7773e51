//! Objects that users make: memory, threads, random numbers, secrets.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use ferrite_qmp::error::Error;
use ferrite_qmp::schema::{
    HostMemPolicy, IOThreadInfo, Memdev, ObjectOptions, ObjectOptionsVariant, ObjectType,
    QCryptoSecretFormat,
};

use super::credentials::{self, Certificates};
use crate::tls::Registry;

/// Largest file that a secret is read from.
const MAX_SECRET: u64 = 64 << 10;

/// How long threads poll when nothing is said, in nanoseconds.
const POLL_MAX_NS: i64 = 32_768;

/// What an object holds for as long as it exists.
pub(super) enum Held {
    Memory(Memdev),
    Thread {
        info: IOThreadInfo,
        /// The thread ends when this is dropped.
        _end: Sender<()>,
    },
    /// Random numbers: the device stays open.
    Random {
        _file: File,
        /// Its name, where that was chosen.
        filename: Option<String>,
    },
    /// A secret, for what will ask for it.
    Secret {
        _text: Vec<u8>,
        format: QCryptoSecretFormat,
        file: Option<String>,
    },
    /// Certificates, which sockets find by the object's id.
    Certificates(Certificates),
}

pub(super) struct Object {
    pub(super) id: String,
    pub(super) kind: ObjectType,
    pub(super) held: Held,
}

/// All objects.
#[derive(Default)]
pub struct Objects {
    pub(super) objects: Vec<Object>,
    /// Ids of those that the machine uses.
    used: Vec<String>,
    credentials: Registry,
}

fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

impl Objects {
    /// None yet; TLS credentials are to be found in `credentials`.
    pub fn new(credentials: Registry) -> Self {
        Self {
            credentials,
            ..Self::default()
        }
    }

    /// `object-add`
    pub fn add(&mut self, options: ObjectOptions) -> Result<(), Error> {
        let ObjectOptions { id, variant } = options;
        if self.objects.iter().any(|object| object.id == id) {
            return Err(Error::generic(format!(
                "attempt to add duplicate property '{id}' to object (type 'container')"
            )));
        }
        let (kind, held) = make(&id, variant, &self.credentials)?;
        self.objects.push(Object { id, kind, held });
        Ok(())
    }

    /// `object-del`
    pub fn delete(&mut self, id: &str) -> Result<(), Error> {
        let at = self.objects.iter().position(|object| object.id == id);
        let at = at.ok_or_else(|| Error::generic(format!("object '{id}' not found")))?;
        if self.used.iter().any(|used| used == id) {
            return Err(Error::generic(format!(
                "object '{id}' is in use, can not be deleted"
            )));
        }
        self.objects.remove(at);
        self.credentials.remove(id);
        Ok(())
    }

    /// The machine uses this one.
    pub fn hold(&mut self, id: &str) {
        self.used.push(id.to_owned());
    }

    /// Ids and types.
    pub fn list(&self) -> Vec<(String, ObjectType)> {
        let entry = |object: &Object| (object.id.clone(), object.kind);
        self.objects.iter().map(entry).collect()
    }

    /// `query-iothreads`
    pub fn iothreads(&self) -> Vec<IOThreadInfo> {
        let thread = |object: &Object| match &object.held {
            Held::Thread { info, .. } => Some(info.clone()),
            _ => None,
        };
        self.objects.iter().filter_map(thread).collect()
    }

    /// `query-memdev`, as far as objects go.
    pub fn memdevs(&self) -> Vec<Memdev> {
        let memory = |object: &Object| match &object.held {
            Held::Memory(memdev) => Some(memdev.clone()),
            _ => None,
        };
        self.objects.iter().filter_map(memory).collect()
    }
}

fn make(
    id: &str,
    variant: ObjectOptionsVariant,
    credentials: &Registry,
) -> Result<(ObjectType, Held), Error> {
    Ok(match variant {
        certificates @ ObjectOptionsVariant::TlsCredsX509 { .. } => {
            let made = credentials::make(id, certificates, credentials)?;
            let made = made.ok_or_else(Error::unsupported)?;
            (ObjectType::TlsCredsX509, Held::Certificates(made))
        }
        ObjectOptionsVariant::Iothread {
            poll_max_ns,
            poll_grow,
            poll_shrink,
            aio_max_batch,
            ..
        } => {
            let (end, thread_id) = start_thread(id)?;
            let info = IOThreadInfo {
                id: id.to_owned(),
                thread_id,
                poll_max_ns: poll_max_ns.unwrap_or(POLL_MAX_NS),
                poll_grow: poll_grow.unwrap_or(0),
                poll_shrink: poll_shrink.unwrap_or(0),
                aio_max_batch: aio_max_batch.unwrap_or(0),
            };
            (ObjectType::Iothread, Held::Thread { info, _end: end })
        }
        ObjectOptionsVariant::MemoryBackendRam {
            size,
            dump,
            merge,
            prealloc,
            share,
            reserve,
            host_nodes,
            policy,
            ..
        } => {
            let kind = ObjectType::MemoryBackendRam;
            not_empty(kind, size)?;
            let memdev = Memdev {
                id: Some(id.to_owned()),
                size,
                merge: merge.unwrap_or(true),
                dump: dump.unwrap_or(true),
                prealloc: prealloc.unwrap_or(false),
                share: share.unwrap_or(false),
                reserve: Some(reserve.unwrap_or(true)),
                host_nodes: host_nodes.unwrap_or_default(),
                policy: policy.unwrap_or(HostMemPolicy::Default),
            };
            (kind, Held::Memory(memdev))
        }
        ObjectOptionsVariant::MemoryBackendFile {
            size,
            dump,
            merge,
            prealloc,
            share,
            reserve,
            host_nodes,
            policy,
            mem_path,
            readonly,
            ..
        } => {
            let kind = ObjectType::MemoryBackendFile;
            not_empty(kind, size)?;
            memory_file(&mem_path, size, readonly == Some(true))?;
            let memdev = Memdev {
                id: Some(id.to_owned()),
                size,
                merge: merge.unwrap_or(true),
                dump: dump.unwrap_or(true),
                prealloc: prealloc.unwrap_or(false),
                share: share.unwrap_or(false),
                reserve: Some(reserve.unwrap_or(true)),
                host_nodes: host_nodes.unwrap_or_default(),
                policy: policy.unwrap_or(HostMemPolicy::Default),
            };
            (kind, Held::Memory(memdev))
        }
        ObjectOptionsVariant::RngBuiltin => (
            ObjectType::RngBuiltin,
            Held::Random {
                _file: open("/dev/urandom")?,
                filename: None,
            },
        ),
        ObjectOptionsVariant::RngRandom { filename } => (
            ObjectType::RngRandom,
            Held::Random {
                _file: open(filename.as_deref().unwrap_or("/dev/urandom"))?,
                filename: Some(filename.unwrap_or_else(|| "/dev/urandom".to_owned())),
            },
        ),
        ObjectOptionsVariant::Secret {
            format,
            keyid,
            data,
            file,
            ..
        } => {
            if keyid.is_some() {
                return Err(Error::generic("encrypted secrets are not supported"));
            }
            let text = secret(format, data, file.as_deref())?;
            let held = Held::Secret {
                _text: text,
                format: format.unwrap_or(QCryptoSecretFormat::Raw),
                file,
            };
            (ObjectType::Secret, held)
        }
    })
}

fn not_empty(kind: ObjectType, size: u64) -> Result<(), Error> {
    if size > 0 {
        return Ok(());
    }
    Err(Error::generic(format!(
        "property 'size' of {} doesn't take value '0'",
        kind.as_str()
    )))
}

/// Makes or grows the file that memory is to be in.
fn memory_file(path: &str, size: u64, read_only: bool) -> Result<(), Error> {
    let failed = |error: std::io::Error| {
        Error::generic(format!(
            "can't open backing store {path} for guest RAM: {}",
            words(&error)
        ))
    };
    if Path::new(path).is_dir() {
        return Err(Error::generic(format!(
            "can't open backing store {path} for guest RAM: Is a directory"
        )));
    }
    let file = OpenOptions::new()
        .read(true)
        .write(!read_only)
        .create(!read_only)
        .truncate(false)
        .open(path)
        .map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    match len {
        0 if !read_only => file.set_len(size).map_err(failed),
        len if len < size => Err(Error::generic(format!(
            "backing store size {len:#x} does not match 'size' option {size:#x}"
        ))),
        _ => Ok(()),
    }
}

fn open(path: &str) -> Result<File, Error> {
    File::open(path)
        .map_err(|error| Error::generic(format!("Could not open '{path}': {}", words(&error))))
}

/// A thread that waits for its end; its number on the host.
fn start_thread(id: &str) -> Result<(Sender<()>, i64), Error> {
    let failed = |what: &str| Error::generic(format!("cannot start a thread: {what}"));
    let (end, ended) = channel::<()>();
    let (tell, told) = channel();
    thread::Builder::new()
        .name(format!("IO {id}"))
        .spawn(move || {
            let number = rustix::thread::gettid().as_raw_nonzero().get();
            // Nobody listens if the object could not be made.
            let _ = tell.send(i64::from(number));
            // Ends when the sender is gone.
            let _ = ended.recv();
        })
        .map_err(|error| failed(&words(&error)))?;
    let number = told.recv().map_err(|_| failed("it ended at once"))?;
    Ok((end, number))
}

fn secret(
    format: Option<QCryptoSecretFormat>,
    data: Option<String>,
    file: Option<&str>,
) -> Result<Vec<u8>, Error> {
    let text = match (data, file) {
        (Some(_), Some(_)) => {
            return Err(Error::generic("'file' and 'data' are mutually exclusive"));
        }
        (None, None) => return Err(Error::generic("Either 'file' or 'data' must be provided")),
        (Some(data), None) => data.into_bytes(),
        (None, Some(path)) => {
            let failed = |why: String| Error::generic(format!("Unable to read {path}: {why}"));
            let len = std::fs::metadata(path)
                .map_err(|e| failed(words(&e)))?
                .len();
            if len > MAX_SECRET {
                return Err(failed("it is too large".into()));
            }
            std::fs::read(path).map_err(|e| failed(words(&e)))?
        }
    };
    if format != Some(QCryptoSecretFormat::Base64) {
        return Ok(text);
    }
    let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(byte);
    if !text.iter().all(alphabet) {
        return Err(Error::generic("Base64 data contains invalid characters"));
    }
    Ok(ferrite_qmp::base64::decode(&String::from_utf8_lossy(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn add(objects: &mut Objects, options: Value) -> Result<(), String> {
        let options = serde_json::from_value(options).unwrap();
        objects.add(options).map_err(|error| error.message)
    }

    /// Each answer as QEMU gives it.
    #[test]
    fn refusals() {
        let mut objects = Objects::default();
        let memory = json!({"qom-type": "memory-backend-ram", "id": "m", "size": 4096});
        add(&mut objects, memory.clone()).unwrap();
        for (options, message) in [
            (
                memory,
                "attempt to add duplicate property 'm' to object (type 'container')",
            ),
            (
                json!({"qom-type": "memory-backend-ram", "id": "n", "size": 0}),
                "property 'size' of memory-backend-ram doesn't take value '0'",
            ),
            (
                json!({"qom-type": "rng-random", "id": "n", "filename": "/nonexistent"}),
                "Could not open '/nonexistent': No such file or directory",
            ),
            (
                json!({"qom-type": "memory-backend-file", "id": "n", "size": 1,
                    "mem-path": "/nonexistent/x"}),
                "can't open backing store /nonexistent/x for guest RAM: No such file or directory",
            ),
            (
                json!({"qom-type": "secret", "id": "n"}),
                "Either 'file' or 'data' must be provided",
            ),
            (
                json!({"qom-type": "secret", "id": "n", "data": "a", "file": "b"}),
                "'file' and 'data' are mutually exclusive",
            ),
            (
                json!({"qom-type": "secret", "id": "n", "data": "!!", "format": "base64"}),
                "Base64 data contains invalid characters",
            ),
        ] {
            assert_eq!(add(&mut objects, options), Err(message.into()));
        }
        assert_eq!(objects.list(), [("m".into(), ObjectType::MemoryBackendRam)]);
        assert_eq!(objects.memdevs()[0].size, 4096);
    }

    #[test]
    fn threads_have_numbers_of_their_own() {
        let mut objects = Objects::default();
        add(&mut objects, json!({"qom-type": "iothread", "id": "t"})).unwrap();
        let thread = objects.iothreads()[0].thread_id;
        assert!(Path::new(&format!("/proc/self/task/{thread}")).exists());
        objects.delete("t").unwrap();
        assert_eq!(
            objects.delete("t").unwrap_err().message,
            "object 't' not found"
        );
    }
}
