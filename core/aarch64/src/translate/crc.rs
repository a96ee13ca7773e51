//! CRC-32.

use ferrite_ir::{BinOp, Int, Width};
use ferrite_simd::{CryptoOp, WideOp};

use super::{Flow, Outcome, Translator};
use crate::decode::crc::*;

impl Translator {
    /// The checksum `sum` continued over the low `bytes` (1, 2 or 4) bytes of `data`.
    fn checksum(&mut self, op: CryptoOp, sum: Int, data: Int, bytes: u32) -> Int {
        let packed = self.b.insert(Width::W64, sum, data, 32, 32);
        (self.b).wide_int(WideOp::Crypto(op), op.shape(), bytes, &[], Some(packed))
    }

    fn crc_narrow(&mut self, i: Crc32, op: CryptoOp) -> Outcome {
        let (sum, data) = (self.x(i.rn), self.x(i.rm));
        let d = self.checksum(op, sum, data, 1 << i.sz);
        self.set_x(i.rd, d);
        Ok(Flow::Next)
    }

    fn crc_doubleword(&mut self, i: Crc32x, op: CryptoOp) -> Outcome {
        let (sum, data) = (self.x(i.rn), self.x(i.rm));
        let sum = self.checksum(op, sum, data, 4);
        let high = self.b.bin_const(BinOp::ShrU, Width::W64, data, 32);
        let d = self.checksum(op, sum, high, 4);
        self.set_x(i.rd, d);
        Ok(Flow::Next)
    }
}

impl Visitor for Translator {
    type Output = Outcome;

    fn crc32(&mut self, i: Crc32) -> Outcome {
        self.crc_narrow(i, CryptoOp::Crc32)
    }

    fn crc32x(&mut self, i: Crc32x) -> Outcome {
        self.crc_doubleword(i, CryptoOp::Crc32)
    }

    fn crc32c(&mut self, i: Crc32c) -> Outcome {
        self.crc_narrow(i, CryptoOp::Crc32c)
    }

    fn crc32cx(&mut self, i: Crc32cx) -> Outcome {
        self.crc_doubleword(i, CryptoOp::Crc32c)
    }
}
