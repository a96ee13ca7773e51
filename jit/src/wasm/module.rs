//! Functions to a module.

use std::mem::offset_of;

use ferrite_ir::slot;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ElementSection, Elements, EntityType, Function,
    FunctionSection, ImportSection, MemArg, MemoryType, Module, RefType, TableType,
};

use super::emit::Output;
use super::layout::{JUMP_SHIFT, JUMPS, JumpEntry, Shared, type_section, types};

/// Index of the function that follows computed addresses.
pub(super) const JUMP: u32 = 0;
/// Index of the first region's function.
pub(super) const FIRST_REGION: u32 = 1;

/// A module that puts a function for each region into the table, from slot `first` on. It imports
/// `ferrite.memory` and `ferrite.table`.
pub(super) fn module(first: u32, regions: &[Output]) -> Vec<u8> {
    let mut imports = ImportSection::new();
    let memory = MemoryType {
        minimum: 0,
        maximum: None,
        memory64: false,
        shared: false,
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
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    functions.function(types::JUMP);
    code.function(&jump());
    for region in regions {
        functions.function(types::REGION);
        code.function(&region.function);
    }
    let indices: Vec<u32> = (FIRST_REGION..).take(regions.len()).collect();
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
        .section(&functions)
        .section(&elements)
        .section(&code);
    module.finish()
}

/// Goes on at a guest address if the jump cache knows it; else stores it and returns the exit.
fn jump() -> Function {
    const BLOCK: u32 = 0;
    const CONTEXT: u32 = 1;
    const PC: u32 = 2;
    const EXIT: u32 = 3;
    const ENTRY: u32 = 4;
    let at = |field: usize| MemArg {
        offset: (offset_of!(Shared, jumps) + field) as u64,
        align: 2,
        memory_index: 0,
    };
    let word = |offset: usize| MemArg {
        offset: offset as u64,
        align: 3,
        memory_index: 0,
    };
    let mut function = Function::new([(1, wasm_encoder::ValType::I32)]);
    let mut code = function.instructions();
    // The entry's address, without the offset of the table.
    code.local_get(PC).i64_const(2).i64_shr_u();
    code.local_get(PC).i64_const(13).i64_shr_u();
    code.i64_xor().i32_wrap_i64();
    code.i32_const(JUMPS as i32 - 1).i32_and();
    code.i32_const(JUMP_SHIFT as i32).i32_shl();
    code.local_get(CONTEXT).i32_add().local_tee(ENTRY);
    code.i64_load(at(offset_of!(JumpEntry, pc)));
    code.local_get(PC).i64_eq();
    // The generation of that half of the address space.
    code.local_get(ENTRY);
    code.i64_load(at(offset_of!(JumpEntry, generation)));
    code.local_get(CONTEXT);
    code.local_get(PC).i64_const(52).i64_shr_u().i32_wrap_i64();
    code.i32_const(8).i32_and().i32_add();
    code.i64_load(word(offset_of!(Shared, generations)));
    code.i64_eq().i32_and();
    code.if_(BlockType::Empty);
    code.local_get(ENTRY);
    code.i32_load(at(offset_of!(JumpEntry, slot)));
    code.local_tee(ENTRY);
    code.if_(BlockType::Empty);
    code.local_get(BLOCK).local_get(CONTEXT).local_get(ENTRY);
    code.return_call_indirect(0, types::REGION);
    code.end().end();
    code.local_get(BLOCK).local_get(PC);
    code.i64_store(word(8 * usize::from(slot::PC)));
    code.local_get(EXIT).end();
    function
}
