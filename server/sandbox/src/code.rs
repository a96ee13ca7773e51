//! Code that the artefact makes while it runs: modules, compiled here on its own memory and table.
//!
//! What such a module can do, the artefact can do as well: it imports the memory and the table and
//! nothing else, has none of its own, and computes within the same time. What is compiled stays until
//! the machine goes, so there are bounds; beyond them the artefact interprets.

use wasmtime::{Caller, Error, Extern, Instance, Linker, Memory, Module, Ref, Table};

use crate::host::{Host, MODULE};

/// Modules that a machine may have compiled.
pub(crate) const MODULES: usize = 4_000;
/// Bytes of one module, and of all.
const MODULE_BYTES: usize = 2 << 20;
const BYTES: usize = 192 << 20;

/// What has been compiled.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    modules: usize,
    bytes: usize,
}

impl Compiled {
    /// Whether there is room for a module of so many bytes; if so, it counts.
    fn admit(&mut self, bytes: usize) -> bool {
        let fits = self.modules < MODULES && bytes <= MODULE_BYTES && self.bytes + bytes <= BYTES;
        if fits {
            self.modules += 1;
            self.bytes += bytes;
        }
        fits
    }
}

fn table(caller: &mut Caller<'_, Host>) -> Option<Table> {
    let table = caller.get_export("__indirect_function_table");
    table.and_then(Extern::into_table)
}

fn memory(caller: &mut Caller<'_, Host>) -> Option<Memory> {
    caller.get_export("memory").and_then(Extern::into_memory)
}

/// Grows the table; the first new slot.
fn reserve(caller: &mut Caller<'_, Host>, slots: u32) -> Option<u32> {
    let first = table(caller)?.grow(caller, slots.into(), Ref::Func(None));
    u32::try_from(first.ok()?).ok()
}

/// Compiles a module and instantiates it.
fn install(caller: &mut Caller<'_, Host>, at: u32, len: u32) -> Option<()> {
    let (memory, table) = (memory(caller)?, table(caller)?);
    if !caller.data_mut().compiled.admit(len as usize) {
        return None;
    }
    let end = (at as usize).checked_add(len as usize)?;
    let module = memory.data(&caller).get(at as usize..end)?;
    let module = Module::new(caller.engine(), module).ok()?;
    Instance::new(caller, &module, &[memory.into(), table.into()]).ok()?;
    Some(())
}

/// Lets the artefact have code compiled.
pub(crate) fn link(linker: &mut Linker<Host>) -> Result<(), Error> {
    let first_or_none =
        |mut caller: Caller<'_, Host>, slots: u32| reserve(&mut caller, slots).unwrap_or(0);
    linker.func_wrap(MODULE, "reserve", first_or_none)?;
    let installed = |mut caller: Caller<'_, Host>, at: u32, len: u32| {
        u32::from(install(&mut caller, at, len).is_some())
    };
    linker.func_wrap(MODULE, "install", installed)?;
    Ok(())
}
