//! Functions that every module has: ways on to other regions, and to functions of the artefact.
//!
//! What they do would do in the regions as well, but engines optimise small functions in far less time,
//! and there are few of these for many places that call them.

use std::mem::offset_of;

use ferrite_ir::slot;
use wasm_encoder::{BlockType, Function, MemArg, ValType};

use super::layout::{Callee, Cell, Layout, RECENT, RECENT_SHIFT, Recent, Shared, functions, types};
use crate::lookup::{JUMPS, JumpEntry, PAGES, PageEntry, Seen, VIEW_MIX};

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
    code.i64_load(word(
        offset_of!(Shared, seen) + offset_of!(Seen, generations),
    ));
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

/// Goes on at a guest address if the tables of [`lookup`](crate::lookup) know it; else stores it and
/// returns the exit.
fn jump() -> Function {
    const PC: u32 = 2;
    const EXIT: u32 = 3;
    const ENTRY: u32 = 4;
    const VIEW: u32 = 5;
    const KEY: u32 = 7;
    const _: () = assert!(PAGES.is_power_of_two() && size_of::<PageEntry>() == 16);
    const _: () = assert!(JUMPS.is_power_of_two() && size_of::<JumpEntry>() == 16);
    const RECENT_ENTRY: u32 = 6;
    const GENERATION: u32 = 8;
    let recent = |field: usize| word(offset_of!(Shared, recent) + field);
    let mut function = Function::new([(3, ValType::I32), (2, ValType::I64)]);
    let mut code = function.instructions();
    // The generation of that half of the address space.
    code.local_get(CONTEXT);
    code.local_get(PC).i64_const(52).i64_shr_u().i32_wrap_i64();
    code.i32_const(8).i32_and().i32_add();
    code.i64_load(word(
        offset_of!(Shared, seen) + offset_of!(Seen, generations),
    ));
    code.local_set(GENERATION);
    // Where it led last; the entry's address is without the offset of the table.
    code.local_get(PC).i64_const(2).i64_shr_u();
    code.local_get(PC).i64_const(13).i64_shr_u();
    code.i64_xor().i32_wrap_i64();
    code.i32_const(RECENT as i32 - 1).i32_and();
    code.i32_const(RECENT_SHIFT as i32).i32_shl();
    code.local_get(CONTEXT).i32_add().local_tee(RECENT_ENTRY);
    code.i64_load(recent(offset_of!(Recent, pc)));
    code.local_get(PC).i64_eq();
    code.local_get(RECENT_ENTRY);
    code.i64_load(recent(offset_of!(Recent, generation)));
    code.local_get(GENERATION).i64_eq().i32_and();
    code.if_(BlockType::Empty);
    code.local_get(BLOCK).local_get(CONTEXT);
    code.local_get(RECENT_ENTRY);
    code.i32_load(recent(offset_of!(Recent, slot)));
    code.return_call_indirect(0, types::REGION);
    code.end();
    code.block(BlockType::Empty);
    // The view.
    code.local_get(CONTEXT);
    code.local_get(PC).i64_const(53).i64_shr_u().i32_wrap_i64();
    code.i32_const(4).i32_and().i32_add();
    code.i32_load(word(offset_of!(Shared, seen) + offset_of!(Seen, views)));
    code.local_set(VIEW);
    // The page.
    code.local_get(PC).i64_const(12).i64_shr_u().i32_wrap_i64();
    code.local_get(VIEW).i32_const(VIEW_MIX).i32_mul();
    code.i32_xor().i32_const(PAGES as i32 - 1).i32_and();
    code.i32_const(4).i32_shl();
    code.local_get(CONTEXT)
        .i32_load(word(offset_of!(Shared, pages)));
    code.i32_add().local_tee(ENTRY);
    code.i64_load(word(offset_of!(PageEntry, tag)));
    code.local_get(PC).i64_const(-4096).i64_and();
    code.local_get(VIEW).i64_extend_i32_u().i64_or();
    code.i64_ne().br_if(0);
    // The place in what it holds.
    code.local_get(ENTRY)
        .i64_load(word(offset_of!(PageEntry, contents)));
    code.local_get(PC).i64_const(4095).i64_and().i64_or();
    code.local_tee(KEY);
    code.i32_wrap_i64()
        .local_tee(ENTRY)
        .i32_const(2)
        .i32_shr_u();
    code.local_get(ENTRY).i32_const(12).i32_shr_u().i32_xor();
    code.i32_const(JUMPS as i32 - 1).i32_and();
    code.i32_const(4).i32_shl();
    code.local_get(CONTEXT)
        .i32_load(word(offset_of!(Shared, jumps)));
    code.i32_add().local_tee(ENTRY);
    code.i64_load(word(offset_of!(JumpEntry, key)));
    code.local_get(KEY).i64_ne().br_if(0);
    code.local_get(ENTRY)
        .i32_load(word(offset_of!(JumpEntry, code)));
    code.local_tee(ENTRY).i32_eqz().br_if(0);
    code.local_get(RECENT_ENTRY).local_get(PC);
    code.i64_store(recent(offset_of!(Recent, pc)));
    code.local_get(RECENT_ENTRY).local_get(GENERATION);
    code.i64_store(recent(offset_of!(Recent, generation)));
    code.local_get(RECENT_ENTRY).local_get(ENTRY);
    code.i32_store(recent(offset_of!(Recent, slot)));
    code.local_get(BLOCK).local_get(CONTEXT).local_get(ENTRY);
    code.return_call_indirect(0, types::REGION);
    code.end();
    code.local_get(BLOCK).local_get(PC);
    code.i64_store(word(8 * usize::from(slot::PC)));
    code.local_get(EXIT).end();
    function
}
