use super::Emitter;
use super::wide::Operands;
use cranelift_codegen::ir::Value;
use ferrite_simd::{LaneOp, Shape};
impl Emitter<'_> {
    pub(super) fn lanes(
        &mut self,
        _op: LaneOp,
        _shape: Shape,
        _imm: u32,
        _o: &Operands,
    ) -> Option<Value> {
        None
    }
}
