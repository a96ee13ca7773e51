//! The Rust crate `qapi`: its types are made from QEMU's schema, so that an answer of another form
//! is an error.

use std::fmt::Debug;
use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::path::Path;

use ferrite_e2e::{Ferrite, binary};
use qapi::{Command, ExecuteError, Stream, qmp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::side_by_side::{normal, start};

type Client = qapi::Qmp<Stream<BufReader<UnixStream>, UnixStream>>;

/// A stopped machine and a client that has negotiated.
fn connect(program: &Path, folder: &Path) -> (Ferrite, Client) {
    let (process, qmp) = start(program, folder);
    drop(qmp);
    let socket = folder.join(program.file_name().unwrap());
    let stream = UnixStream::connect(socket).unwrap();
    let reader = BufReader::new(stream.try_clone().unwrap());
    let mut client = qapi::Qmp::new(Stream::new(reader, stream));
    let greeting = client.handshake().unwrap();
    assert!(greeting.version.qemu.major >= 7);
    (process, client)
}

/// Runs a command: what it returned, or the error, as JSON once more.
#[track_caller]
fn ask<C>(client: &mut Client, arguments: Value) -> Value
where
    C: Command + DeserializeOwned + Debug,
    C::Ok: Serialize,
{
    let command: C = serde_json::from_value(arguments).unwrap();
    let mut answer = match client.execute(&command) {
        Ok(answer) => serde_json::to_value(answer).unwrap(),
        Err(ExecuteError::Qapi(error)) => json!({"class": error.class, "desc": error.desc}),
        Err(ExecuteError::Io(error)) => panic!("{}: {error}", C::NAME),
    };
    normal(&mut answer);
    json!({C::NAME: answer})
}

/// One scenario.
fn transcript(client: &mut Client) -> Vec<Value> {
    let none = || json!({});
    let backend = || json!({"type": "null", "data": {}});
    vec![
        ask::<qmp::query_status>(client, none()),
        ask::<qmp::query_name>(client, none()),
        ask::<qmp::query_uuid>(client, none()),
        ask::<qmp::query_kvm>(client, none()),
        ask::<qmp::query_target>(client, none()),
        ask::<qmp::query_cpus_fast>(client, none()),
        ask::<qmp::query_memory_size_summary>(client, none()),
        ask::<qmp::query_memdev>(client, none()),
        ask::<qmp::ringbuf_write>(client, json!({"device": "rb", "data": "h\u{e9}llo"})),
        ask::<qmp::ringbuf_read>(client, json!({"device": "rb", "size": 64})),
        ask::<qmp::ringbuf_read>(client, json!({"device": "nu", "size": 1})),
        ask::<qmp::chardev_add>(client, json!({"id": "c", "backend": backend()})),
        ask::<qmp::chardev_add>(client, json!({"id": "c", "backend": backend()})),
        ask::<qmp::chardev_remove>(client, json!({"id": "c"})),
        ask::<qmp::object_add>(
            client,
            json!({"qom-type": "memory-backend-ram", "id": "m", "size": 4096}),
        ),
        ask::<qmp::object_add>(client, json!({"qom-type": "iothread", "id": "t"})),
        ask::<qmp::query_iothreads>(client, none()),
        ask::<qmp::qom_get>(client, json!({"path": "/objects/m", "property": "size"})),
        ask::<qmp::object_del>(client, json!({"id": "m"})),
        ask::<qmp::object_del>(client, json!({"id": "m"})),
        ask::<qmp::query_dump>(client, none()),
        ask::<qmp::query_jobs>(client, none()),
        ask::<qmp::job_pause>(client, json!({"id": "x"})),
        ask::<qmp::query_gic_capabilities>(client, none()),
        ask::<qmp::device_del>(client, json!({"id": "x"})),
        ask::<qmp::query_yank>(client, none()),
        ask::<qmp::cont>(client, none()),
        ask::<qmp::query_status>(client, none()),
        ask::<qmp::stop>(client, none()),
        ask::<qmp::system_reset>(client, none()),
        ask::<qmp::query_status>(client, none()),
    ]
}

/// Names of the events so far.
fn events(client: &mut Client) -> Vec<String> {
    let names = client.events().map(|event| {
        let event = serde_json::to_value(event).unwrap();
        event["event"].as_str().unwrap().to_owned()
    });
    names.collect()
}

#[test]
fn the_crate_qapi_sees_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let [ours, theirs] = [binary(), "/usr/bin/qemu-system-aarch64".into()].map(|program| {
        let (_process, mut client) = connect(&program, folder.path());
        let answers = transcript(&mut client);
        (answers, events(&mut client))
    });
    for (ours, theirs) in ours.0.iter().zip(&theirs.0) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.1, theirs.1);
}

/// What of Ferrite's QEMU 7.2 does not have, or describes otherwise: it fits the crate's types.
#[test]
fn answers_fit_the_types_of_a_later_qemu() {
    let folder = tempfile::tempdir().unwrap();
    let (_process, mut client) = connect(&binary(), folder.path());
    let client = &mut client;
    let none = || json!({});
    for answer in [
        ask::<qmp::query_version>(client, none()),
        ask::<qmp::query_commands>(client, none()),
        ask::<qmp::query_qmp_schema>(client, none()),
        ask::<qmp::query_machines>(client, none()),
        ask::<qmp::query_cpu_definitions>(client, none()),
        ask::<qmp::query_command_line_options>(client, none()),
        ask::<qmp::query_block>(client, none()),
        ask::<qmp::query_blockstats>(client, none()),
        ask::<qmp::query_named_block_nodes>(client, none()),
        ask::<qmp::query_chardev_backends>(client, none()),
        ask::<qmp::query_pci>(client, none()),
        ask::<qmp::query_migrate>(client, none()),
        ask::<qmp::query_migrate_capabilities>(client, none()),
        ask::<qmp::query_fdsets>(client, none()),
        ask::<qmp::query_tpm_models>(client, none()),
        ask::<qmp::query_tpm_types>(client, none()),
        ask::<qmp::query_replay>(client, none()),
        ask::<qmp::query_memory_devices>(client, none()),
        ask::<qmp::query_current_machine>(client, none()),
        ask::<qmp::query_dump_guest_memory_capability>(client, none()),
        ask::<qmp::qom_list>(client, json!({"path": "/machine"})),
        ask::<qmp::qom_list_types>(client, none()),
        ask::<qmp::device_list_properties>(client, json!({"typename": "virtio-net-pci"})),
        ask::<qmp::trace_event_get_state>(client, json!({"name": "*"})),
        ask::<qmp::x_query_jit>(client, none()),
        ask::<qmp::x_query_roms>(client, none()),
    ] {
        let (name, answer) = answer.as_object().unwrap().iter().next().unwrap();
        assert!(answer.get("class").is_none(), "{name}: {answer}");
    }
}
