//! Properties of objects that users made: reading and setting them while the machine runs.

use ferrite_qmp::error::Error;
use ferrite_qmp::qom::Property;
use ferrite_qmp::schema::{HostMemPolicy, IOThreadInfo, Memdev};
use serde_json::{Value, json};

use super::objects::{Held, Object, Objects};

fn property(name: &str, kind: &'static str, value: Value) -> Property {
    Property {
        name: name.to_owned(),
        kind,
        value,
    }
}

impl Objects {
    /// What `qom-list` and `qom-get` tell of an object. The text of a secret is not told.
    pub fn properties(&self, id: &str) -> Vec<Property> {
        let object = self.objects.iter().find(|object| object.id == id);
        match object.map(|object| &object.held) {
            None => Vec::new(),
            Some(Held::Thread { info, .. }) => thread(info),
            Some(Held::Memory(memory)) => backend(memory),
            Some(Held::Random { filename, .. }) => {
                let mut list = vec![property("opened", "bool", true.into())];
                if let Some(name) = filename {
                    list.push(property("filename", "string", json!(name)));
                }
                list
            }
            Some(Held::Certificates(made)) => vec![
                property("dir", "string", json!(made.dir)),
                property("endpoint", "QCryptoTLSCredsEndpoint", json!(made.endpoint)),
                property("verify-peer", "bool", made.verify_peer.into()),
            ],
            Some(Held::Secret { format, file, .. }) => vec![
                property("loaded", "bool", true.into()),
                property("format", "QCryptoSecretFormat", json!(format)),
                property("file", "string", json!(file.clone().unwrap_or_default())),
            ],
        }
    }

    /// `qom-set`: what QEMU changes of an object that is in use.
    pub fn set(&mut self, id: &str, name: &str, value: &Value) -> Result<(), Error> {
        let object = self.objects.iter_mut().find(|object| object.id == id);
        let object = object.ok_or_else(|| Error::generic(format!("object '{id}' not found")))?;
        match object {
            Object {
                held: Held::Thread { info, .. },
                ..
            } => set_thread(info, name, value),
            Object {
                held: Held::Memory(memory),
                kind,
                ..
            } => set_backend(memory, kind.as_str(), name, value),
            _ => Err(Error::generic(format!(
                "Property '{name}' can no longer be set"
            ))),
        }
    }
}

fn thread(info: &IOThreadInfo) -> Vec<Property> {
    [
        ("poll-max-ns", info.poll_max_ns),
        ("poll-grow", info.poll_grow),
        ("poll-shrink", info.poll_shrink),
        ("aio-max-batch", info.aio_max_batch),
    ]
    .map(|(name, value)| property(name, "int", value.into()))
    .to_vec()
}

fn set_thread(info: &mut IOThreadInfo, name: &str, value: &Value) -> Result<(), Error> {
    let place = match name {
        "poll-max-ns" => &mut info.poll_max_ns,
        "poll-grow" => &mut info.poll_grow,
        "poll-shrink" => &mut info.poll_shrink,
        _ => &mut info.aio_max_batch,
    };
    match value.as_i64() {
        Some(number @ 0..) => {
            *place = number;
            Ok(())
        }
        _ => Err(Error::generic(format!(
            "{name} value must be in range [0, {}]",
            i64::MAX
        ))),
    }
}

fn backend(memory: &Memdev) -> Vec<Property> {
    let flags = [
        ("dump", memory.dump),
        ("merge", memory.merge),
        ("prealloc", memory.prealloc),
        ("reserve", memory.reserve.unwrap_or(true)),
        ("share", memory.share),
    ];
    let mut list: Vec<Property> = flags
        .into_iter()
        .map(|(name, flag)| property(name, "bool", flag.into()))
        .collect();
    list.push(property("size", "int", memory.size.into()));
    list.push(property("policy", "HostMemPolicy", json!(memory.policy)));
    list.push(property("host-nodes", "int", json!(memory.host_nodes)));
    list
}

fn set_backend(memory: &mut Memdev, kind: &str, name: &str, value: &Value) -> Result<(), Error> {
    let flag = value.as_bool();
    match (name, flag) {
        ("dump", Some(flag)) => memory.dump = flag,
        ("merge", Some(flag)) => memory.merge = flag,
        // What is there already stays.
        ("prealloc", Some(flag)) => memory.prealloc |= flag,
        ("policy", _) => {
            let policy: Result<HostMemPolicy, _> = serde_json::from_value(value.clone());
            let text = value.as_str().unwrap_or_default();
            memory.policy = policy.map_err(|_| {
                Error::generic(format!("Parameter 'policy' does not accept value '{text}'"))
            })?;
        }
        ("size", _) => {
            return Err(Error::generic(format!(
                "cannot change property size of {kind} "
            )));
        }
        _ => return Err(Error::generic("cannot change property value")),
    }
    Ok(())
}
