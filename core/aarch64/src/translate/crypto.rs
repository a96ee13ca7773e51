//! Cryptographic instructions.

use ferrite_simd::{CryptoOp, WideOp};

use super::{Flow, Outcome, Translator};
use crate::decode::crypto::*;

impl Translator {
    fn crypto(&mut self, op: CryptoOp, rd: u32, v: &[ferrite_ir::Vector]) -> Outcome {
        let d = (self.b).wide_vec(WideOp::Crypto(op), op.shape(), 0, v, None);
        self.set_v(rd, d);
        Ok(Flow::Next)
    }

    /// `rd` from `rn`.
    fn crypto_one(&mut self, i: Aese, op: CryptoOp) -> Outcome {
        let n = self.v(i.rn);
        self.crypto(op, i.rd, &[n])
    }

    /// `rd` from `rd` and `rn`.
    fn crypto_two(&mut self, i: Aese, op: CryptoOp) -> Outcome {
        let v = [self.v(i.rd), self.v(i.rn)];
        self.crypto(op, i.rd, &v)
    }

    /// `rd` from `rd`, `rn` and `rm`.
    fn crypto_three(&mut self, i: Sha1c, op: CryptoOp) -> Outcome {
        let v = [self.v(i.rd), self.v(i.rn), self.v(i.rm)];
        self.crypto(op, i.rd, &v)
    }
}

macro_rules! rows {
    ($($shared:ident: $($method:ident($Op:ident)),*;)*) => {$($(
        fn $method(&mut self, i: $Op) -> Outcome {
            self.$shared(i, CryptoOp::$Op)
        }
    )*)*};
}

impl Visitor for Translator {
    type Output = Outcome;

    rows! {
        crypto_one: aesmc(Aesmc), aesimc(Aesimc), sha1h(Sha1h);
        crypto_two: aese(Aese), aesd(Aesd), sha1su1(Sha1su1), sha256su0(Sha256su0);
        crypto_three:
            sha1c(Sha1c), sha1p(Sha1p), sha1m(Sha1m), sha1su0(Sha1su0),
            sha256h(Sha256h), sha256h2(Sha256h2), sha256su1(Sha256su1);
    }

    fn pmull_64(&mut self, i: Pmull64) -> Outcome {
        let v = [self.half(i.rn, i.q), self.half(i.rm, i.q)];
        self.crypto(CryptoOp::Pmull64, i.rd, &v)
    }
}
