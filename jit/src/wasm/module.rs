//! Functions to a module.

use wasm_encoder::{
    CodeSection, ConstExpr, ElementSection, Elements, EntityType, FunctionSection, ImportSection,
    MemoryType, Module, RefType, TableType,
};

use super::emit::Output;
use super::layout::{Layout, functions, type_section, types};
use super::{THREADS, thunks};

/// All that 32 bits address, in units of 64 KiB.
const MAX_PAGES: u64 = 1 << 16;

/// A module that puts a function for each region into the table, from slot `first` on. It imports
/// `ferrite.memory` and `ferrite.table`.
pub(super) fn module(layout: &Layout, first: u32, regions: &[Output]) -> Vec<u8> {
    let mut imports = ImportSection::new();
    let memory = MemoryType {
        minimum: 0,
        // Shared memory has a bound, and an import must not have a lower one.
        maximum: THREADS.then_some(MAX_PAGES),
        memory64: false,
        shared: THREADS,
        page_size_log2: None,
    };
    let table = TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 0,
        maximum: None,
        shared: false,
    };
    imports.import("ferrite", "memory", EntityType::Memory(memory));
    imports.import("ferrite", "table", EntityType::Table(table));
    let mut types_of = FunctionSection::new();
    let mut code = CodeSection::new();
    for (ty, thunk) in thunks::all(layout) {
        types_of.function(ty);
        code.function(&thunk);
    }
    for region in regions {
        types_of.function(types::REGION);
        code.function(&region.function);
    }
    let indices: Vec<u32> = (functions::FIRST_REGION..).take(regions.len()).collect();
    let mut elements = ElementSection::new();
    elements.active(
        None,
        &ConstExpr::i32_const(first as i32),
        Elements::Functions(indices.into()),
    );
    let mut module = Module::new();
    module
        .section(&type_section())
        .section(&imports)
        .section(&types_of)
        .section(&elements)
        .section(&code);
    module.finish()
}
