//! The WebAssembly back end inside wasmtime: `jit/tests/artefact` is loaded, generates modules, and has
//! them compiled here on its own memory and table.
//!
//! `cargo xtask artefact` builds it, as does `cargo xtask test`. Without it nothing is tested.

use std::path::Path;

use wasmtime::{Caller, Config, Engine, Extern, Instance, Linker, Module, Ref, Store, Table};

const ARTEFACT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/wasm/wasm32-unknown-unknown/wasm/ferrite_jit_artefact.wasm"
);

fn table(caller: &mut Caller<'_, ()>) -> Table {
    let table = caller.get_export("__indirect_function_table");
    table
        .and_then(Extern::into_table)
        .expect("the table is exported")
}

fn bytes(caller: &mut Caller<'_, ()>, at: u32, len: u32) -> Vec<u8> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    let memory = memory.expect("the memory is exported").data(&caller);
    memory[at as usize..][..len as usize].to_vec()
}

fn reserve(mut caller: Caller<'_, ()>, slots: u32) -> u32 {
    let table = table(&mut caller);
    let first = table.grow(&mut caller, slots.into(), Ref::Func(None));
    first.map_or(0, |first| first as u32)
}

fn install(mut caller: Caller<'_, ()>, at: u32, len: u32) -> u32 {
    let code = bytes(&mut caller, at, len);
    let module = match Module::new(caller.engine(), &code) {
        Ok(module) => module,
        Err(problem) => panic!("a generated module is refused: {problem:?}"),
    };
    let memory = caller.get_export("memory").expect("the memory is exported");
    let imports = [memory, table(&mut caller).into()];
    match Instance::new(&mut caller, &module, &imports) {
        Ok(_) => 1,
        Err(problem) => panic!("a generated module cannot be instantiated: {problem:?}"),
    }
}

fn say(mut caller: Caller<'_, ()>, at: u32, len: u32) {
    let text = bytes(&mut caller, at, len);
    println!("{}", String::from_utf8_lossy(&text));
}

/// The artefact, on its own.
fn artefact() -> (Store<()>, Instance) {
    let mut config = Config::new();
    config.wasm_tail_call(true);
    let engine = Engine::new(&config).expect("a host that wasmtime can run on");
    let artefact = Module::from_file(&engine, ARTEFACT).expect("an artefact for WebAssembly");
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("host", "reserve", reserve)
        .expect("one of a kind");
    linker
        .func_wrap("host", "install", install)
        .expect("one of a kind");
    linker.func_wrap("host", "say", say).expect("one of a kind");
    let mut store = Store::new(&engine, ());
    let instance = linker
        .instantiate(&mut store, &artefact)
        .expect("all is there");
    (store, instance)
}

/// Checks regions from seed `first` on; returns how many were right.
fn check(first: u32, count: u32) -> u32 {
    let (mut store, instance) = artefact();
    let check = instance.get_typed_func::<(u32, u32), u32>(&mut store, "check");
    let check = check.expect("the artefact's function");
    check.call(&mut store, (first, count)).expect("no trap")
}

/// Checks every operation on lanes (0), of ciphers (1) or on numbers (2).
fn check_wide(which: u32) {
    if !Path::new(ARTEFACT).exists() {
        println!("left out: cargo xtask artefact");
        return;
    }
    let (mut store, instance) = artefact();
    let check = instance.get_typed_func::<u32, ()>(&mut store, "check_wide");
    let check = check.expect("the artefact's function");
    check
        .call(&mut store, which)
        .expect("what the function defines");
}

#[test]
fn lanes_are_what_the_functions_say() {
    check_wide(0);
}

#[test]
fn numbers_are_what_the_functions_say() {
    check_wide(2);
}

#[test]
fn ciphers_are_what_the_functions_say() {
    check_wide(1);
}

#[test]
fn compiled_is_what_the_operations_say() {
    if !Path::new(ARTEFACT).exists() {
        println!("left out: cargo xtask artefact");
        return;
    }
    if let Ok(seed) = std::env::var("SEED") {
        assert_eq!(check(seed.parse().expect("a number"), 1), 1);
        return;
    }
    let seeds = std::env::var("SEEDS").map_or(Ok(200), |n| n.parse());
    let seeds = seeds.expect("a number");
    assert_eq!(check(0, seeds), seeds);
}
