use super::Emitter;
use super::wide::Operands;
use cranelift_codegen::ir::Value;
use ferrite_simd::{FloatOp, Shape};
impl Emitter<'_> {
    pub(super) fn float(
        &mut self,
        _op: FloatOp,
        _shape: Shape,
        _imm: u32,
        _o: &Operands,
    ) -> Option<Value> {
        None
    }
}
