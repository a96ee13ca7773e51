//! LD1 to LD4 and ST1 to ST4: structures of one to four elements, each element in a register of its
//! own.
//!
//! Registers full of structures move as whole vectors, taken apart and put together by permutations.
//! Where the context needs to see the elements (alignment checks, big-endian data) they move one by
//! one.

use ferrite_ir::{BinOp, Int, Mem, Size, Vector, Width};
use ferrite_simd::{Lane, LaneOp, Shape, WideOp};

use crate::decode::simd_ldst::{LdRep, StMult, StMultPost, StSingle, StSinglePost};
use crate::translate::operand::size;
use crate::translate::simd_operand::{bits, lane};
use crate::translate::{Flow, Outcome, Translator, Undefined};

/// A lane of `count` registers from `rt` on, modulo 32.
struct Element {
    lane: Lane,
    index: u32,
    count: u32,
    rt: u32,
}

impl Element {
    /// What the fields of a single structure say (Arm ARM, LD1 (single structure), shared decode).
    fn of(i: StSingle) -> Result<Self, Undefined> {
        let place = i.q << 3 | i.s << 2 | i.size;
        let (lane, index) = match i.scale {
            0 => (Lane::B, place),
            1 if i.size & 1 == 0 => (Lane::H, place >> 1),
            2 if i.size == 0 => (Lane::S, place >> 2),
            2 if i.size == 1 && i.s == 0 => (Lane::D, place >> 3),
            _ => return Err(Undefined),
        };
        let count = (i.selem << 1 | i.r) + 1;
        Ok(Self {
            lane,
            index,
            count,
            rt: i.rt,
        })
    }

    fn registers(&self) -> impl Iterator<Item = u32> + use<> {
        let rt = self.rt;
        (0..self.count).map(move |k| (rt + k) % 32)
    }
}

/// The memory access size of a lane.
fn access_size(lane: Lane) -> Size {
    size(lane as u32)
}

impl Translator {
    /// Writes the base register back after `bytes` were moved, or adds `rm` if that is not 31.
    fn post_index(&mut self, rn: u32, base: Int, rm: Option<u32>, bytes: u32) {
        match rm {
            None => {}
            Some(31) => self.write_back(rn, base, bytes.into()),
            Some(rm) => {
                let offset = self.x(rm);
                let d = self.b.bin(BinOp::Add, Width::W64, base, offset);
                self.set_x_or_sp(rn, d);
            }
        }
    }

    /// How whole registers move; `None` where elements have to move one by one.
    fn whole(&self, shape: Shape) -> Option<Mem> {
        let seen = self.cx.align_check || self.cx.big_endian;
        if seen && shape.lane != Lane::B {
            return None;
        }
        let size = if shape.bits() == 128 {
            Size::B16
        } else {
            Size::B8
        };
        Some(Mem::plain(size))
    }

    fn load_lanes(&mut self, base: Int, disp: u32, shape: Shape) -> Vector {
        if let Some(mem) = self.whole(shape) {
            return self.b.load_vec(base, disp as i32, mem);
        }
        let mem = self.mem(access_size(shape.lane));
        let mut d = self.constant(bits(1), 0);
        for k in 0..u32::from(shape.count) {
            let at = disp + k * shape.lane.bits() / 8;
            let a = self.b.load(base, at as i32, mem);
            let op = WideOp::Lanes(LaneOp::InsInt);
            let whole = Shape::vector(shape.lane, true);
            d = self.b.wide_vec(op, whole, k, &[d], Some(a));
        }
        d
    }

    fn store_lanes(&mut self, base: Int, disp: u32, shape: Shape, a: Vector) {
        if let Some(mem) = self.whole(shape) {
            self.b.store_vec(base, disp as i32, a, mem);
            return;
        }
        let mem = self.mem(access_size(shape.lane));
        for k in 0..u32::from(shape.count) {
            let at = disp + k * shape.lane.bits() / 8;
            let element = self.lane_to_int(shape.lane, k, a);
            self.b.store(base, at as i32, element, mem);
        }
    }

    fn lane_to_int(&mut self, lane: Lane, index: u32, a: Vector) -> Int {
        let op = WideOp::Lanes(LaneOp::Umov);
        (self.b).wide_int(op, Shape::scalar(lane), index, &[a], None)
    }

    /// From memory order to a register for each element of the structures.
    fn deinterleave(&mut self, shape: Shape, elements: usize, m: Vec<Vector>) -> Vec<Vector> {
        match (elements, m.as_slice()) {
            (2, &[a, b]) => self.unzip(shape, a, b).to_vec(),
            (3, &[_, _, _]) => (0..3)
                .map(|k| self.lanes(LaneOp::Deinterleave3, shape, k, &m))
                .collect(),
            (4, &[a, b, c, d]) => {
                let [even0, odd0] = self.unzip(shape, a, b);
                let [even1, odd1] = self.unzip(shape, c, d);
                let [first, third] = self.unzip(shape, even0, even1);
                let [second, fourth] = self.unzip(shape, odd0, odd1);
                vec![first, second, third, fourth]
            }
            _ => m,
        }
    }

    /// The inverse.
    fn interleave(&mut self, shape: Shape, elements: usize, r: Vec<Vector>) -> Vec<Vector> {
        match (elements, r.as_slice()) {
            (2, &[a, b]) => self.zip(shape, a, b).to_vec(),
            (3, &[_, _, _]) => (0..3)
                .map(|k| self.lanes(LaneOp::Interleave3, shape, k, &r))
                .collect(),
            (4, &[a, b, c, d]) => {
                let [even0, even1] = self.zip(shape, a, c);
                let [odd0, odd1] = self.zip(shape, b, d);
                let low = self.zip(shape, even0, odd0);
                let high = self.zip(shape, even1, odd1);
                [low, high].concat()
            }
            _ => r,
        }
    }

    fn zip(&mut self, shape: Shape, a: Vector, b: Vector) -> [Vector; 2] {
        [LaneOp::Zip1, LaneOp::Zip2].map(|op| self.lanes(op, shape, 0, &[a, b]))
    }

    fn unzip(&mut self, shape: Shape, a: Vector, b: Vector) -> [Vector; 2] {
        [LaneOp::Uzp1, LaneOp::Uzp2].map(|op| self.lanes(op, shape, 0, &[a, b]))
    }

    /// Multiple structures, with `rm` when the base is post-indexed.
    pub(super) fn multiple(&mut self, i: StMult, load: bool, rm: Option<u32>) -> Outcome {
        let (registers, elements) = match i.opcode {
            0 => (4, 4),
            2 => (4, 1),
            4 => (3, 3),
            6 => (3, 1),
            7 => (1, 1),
            8 => (2, 2),
            10 => (2, 1),
            _ => return Err(Undefined),
        };
        if elements > 1 && i.size == 3 && i.q == 0 {
            return Err(Undefined);
        }
        let shape = Shape::vector(lane(i.size), i.q != 0);
        let bytes = shape.bits() / 8;
        let base = self.base(i.rn);
        let numbers = (0..registers).map(|k| (i.rt + k) % 32);
        if load {
            let memory = (0..registers)
                .map(|k| self.load_lanes(base, k * bytes, shape))
                .collect();
            let loaded = self.deinterleave(shape, elements, memory);
            for (n, a) in numbers.zip(loaded) {
                self.set_v(n, a);
            }
        } else {
            let stored = numbers.map(|n| self.v(n)).collect();
            let memory = self.interleave(shape, elements, stored);
            for (k, a) in (0..).zip(memory) {
                self.store_lanes(base, k * bytes, shape, a);
            }
        }
        self.post_index(i.rn, base, rm, registers * bytes);
        Ok(Flow::Next)
    }

    pub(super) fn multiple_post(&mut self, i: StMultPost, load: bool) -> Outcome {
        let StMultPost {
            q,
            rm,
            opcode,
            size,
            rn,
            rt,
        } = i;
        let i = StMult {
            q,
            opcode,
            size,
            rn,
            rt,
        };
        self.multiple(i, load, Some(rm))
    }

    /// One structure to or from one lane.
    pub(super) fn single(&mut self, i: StSingle, load: bool, rm: Option<u32>) -> Outcome {
        let element = Element::of(i)?;
        let step = element.lane.bits() / 8;
        let mem = self.mem(access_size(element.lane));
        let base = self.base(i.rn);
        if load {
            let loaded: Vec<Int> = (0..element.count)
                .map(|k| self.b.load(base, (k * step) as i32, mem))
                .collect();
            let shape = Shape::vector(element.lane, true);
            for (n, a) in element.registers().zip(loaded) {
                let old = self.v(n);
                let op = WideOp::Lanes(LaneOp::InsInt);
                let d = (self.b).wide_vec(op, shape, element.index, &[old], Some(a));
                self.set_v(n, d);
            }
        } else {
            for (k, n) in (0..).zip(element.registers()) {
                let a = self.v(n);
                let a = self.lane_to_int(element.lane, element.index, a);
                self.b.store(base, k * step as i32, a, mem);
            }
        }
        self.post_index(i.rn, base, rm, element.count * step);
        Ok(Flow::Next)
    }

    pub(super) fn single_post(&mut self, i: StSinglePost, load: bool) -> Outcome {
        let StSinglePost {
            q,
            r,
            rm,
            scale,
            selem,
            s,
            size,
            rn,
            rt,
        } = i;
        let i = StSingle {
            q,
            r,
            scale,
            selem,
            s,
            size,
            rn,
            rt,
        };
        self.single(i, load, Some(rm))
    }

    /// One structure to every lane.
    pub(super) fn replicate(&mut self, i: LdRep, rm: Option<u32>) -> Outcome {
        let shape = Shape::vector(lane(i.size), i.q != 0);
        let step = shape.lane.bits() / 8;
        let mem = self.mem(access_size(shape.lane));
        let count = (i.selem << 1 | i.r) + 1;
        let base = self.base(i.rn);
        let loaded: Vec<Int> = (0..count)
            .map(|k| self.b.load(base, (k * step) as i32, mem))
            .collect();
        for (k, a) in (0..).zip(loaded) {
            let d = self.splat(shape, a);
            self.set_v((i.rt + k) % 32, d);
        }
        self.post_index(i.rn, base, rm, count * step);
        Ok(Flow::Next)
    }
}
