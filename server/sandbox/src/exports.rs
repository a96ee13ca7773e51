//! What the artefact exports: `wasm/sandbox/src/face.rs` says what each function does.

use wasmtime::{Error, Instance, Memory, Store, TypedFunc};

use crate::host::Host;

macro_rules! exports {
    ($($name:ident: ($($parameter:ty),*) -> $result:ty;)*) => {
        /// The functions and the memory of an instance.
        pub(crate) struct Exports {
            pub memory: Memory,
            $(pub $name: TypedFunc<($($parameter,)*), $result>,)*
        }

        impl Exports {
            /// Finds them all; an artefact of another version lacks some.
            pub(crate) fn find(instance: &Instance, store: &mut Store<Host>) -> Result<Self, Error> {
                let memory = instance.get_memory(&mut *store, "memory");
                Ok(Self {
                    memory: memory.ok_or_else(|| Error::msg("it exports no memory"))?,
                    $($name: instance.get_typed_func(&mut *store, stringify!($name))?,)*
                })
            }
        }
    };
}

exports! {
    buffer: (u32) -> u32;
    answer: () -> u32;
    answer_len: () -> u32;
    setup: () -> i64;
    file: (u32) -> i64;
    disk: (u64, u32) -> i64;
    build: () -> i64;
    run: (u64) -> i64;
    serial_input: () -> i64;
    serial_output: () -> i64;
    qmp_open: () -> i64;
    qmp_close: (u32) -> ();
    qmp_send: (u32) -> i64;
    qmp_receive: (u32) -> i64;
    disk_request: () -> i64;
    disk_done: (u32, u64, u32) -> i64;
    instructions: () -> u64;
}
