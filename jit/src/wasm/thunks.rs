//! Functions that every module has: ways on to other regions, and to functions of the artefact.
//!
//! What they do would do in the regions as well, but engines optimise small functions in far less time,
//! and there are few of these for many places that call them.

use std::mem::offset_of;

use ferrite_ir::slot;
use wasm_encoder::{BlockType, Function, MemArg, ValType};

use super::layout::{Callee, Cell, JUMP_SHIFT, JUMPS, JumpEntry, Layout, Shared};
use super::layout::{functions, types};

const BLOCK: u32 = 0;
const CONTEXT: u32 = 1;

/// The functions below [`functions::FIRST_REGION`], with their types.
pub(super) fn all(layout: &Layout) -> Vec<(u32, Function)> {
    let mut all = vec![
        (types::JUMP, jump()),
        (types::NEAR, near()),
        (types::FAR, far()),
    ];
    for (&callee, slot) in Callee::ALL.iter().zip(layout.callees) {
        all.push((callee.types().1, call(callee, slot)));
    }
    all
}

const fn word(offset: usize) -> MemArg {
    MemArg {
        offset: offset as u64,
        align: 2,
        memory_index: 0,
    }
}

/// Calls a function of the artefact; where its result is a value, tells whether the region is left.
fn call(callee: Callee, slot: u32) -> Function {
    let (inner, outer) = callee.types();
    let parameters = match inner {
        types::REGION | types::BINARY => 2,
        types::LOAD | types::ACCESS => 3,
        types::CALL => 6,
        _ => 4,
    };
    let mut function = Function::new([]);
    let mut code = function.instructions();
    for parameter in 0..parameters {
        code.local_get(parameter);
    }
    code.i32_const(slot as i32).call_indirect(0, inner);
    if inner != outer {
        code.local_get(0).i32_load(word(offset_of!(Shared, left)));
    }
    code.end();
    function
}

/// Goes on where a cell leads, if it does; else returns the exit.
fn near() -> Function {
    const CELL: u32 = 2;
    const EXIT: u32 = 3;
    let mut function = Function::new([]);
    let mut code = function.instructions();
    code.local_get(CELL)
        .i32_load(word(offset_of!(Cell, slot)))
        .local_tee(CELL);
    code.if_(BlockType::Empty);
    code.local_get(BLOCK).local_get(CONTEXT).local_get(CELL);
    code.return_call_indirect(0, types::REGION);
    code.end().local_get(EXIT).end();
    function
}

/// The same under the code generation that the cell was linked under; else looks the address up.
fn far() -> Function {
    const PC: u32 = 2;
    const EXIT: u32 = 3;
    const CELL: u32 = 4;
    let mut function = Function::new([]);
    let mut code = function.instructions();
    code.local_get(CELL)
        .i64_load(word(offset_of!(Cell, generation)));
    code.local_get(CONTEXT);
    code.local_get(PC).i64_const(52).i64_shr_u().i32_wrap_i64();
    code.i32_const(8).i32_and().i32_add();
    code.i64_load(word(offset_of!(Shared, generations)));
    code.i64_eq().if_(BlockType::Empty);
    code.local_get(BLOCK).local_get(CONTEXT);
    code.local_get(CELL).i32_load(word(offset_of!(Cell, slot)));
    code.return_call_indirect(0, types::REGION);
    code.end();
    code.local_get(BLOCK).local_get(CONTEXT);
    code.local_get(PC).local_get(EXIT);
    code.return_call(functions::JUMP).end();
    function
}

/// Goes on at a guest address if the jump cache knows it; else stores it and returns the exit.
fn jump() -> Function {
    const PC: u32 = 2;
    const EXIT: u32 = 3;
    const ENTRY: u32 = 4;
    let at = |field: usize| MemArg {
        offset: (offset_of!(Shared, jumps) + field) as u64,
        align: 2,
        memory_index: 0,
    };
    let mut function = Function::new([(1, ValType::I32)]);
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
