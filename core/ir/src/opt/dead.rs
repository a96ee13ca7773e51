//! Dropping operations whose effect nobody sees.

use crate::op::{Block, Op, Value};
use crate::state::slot;

/// Which values are read, and which globals are overwritten before anybody looks, from some point
/// of a block to its end.
struct Needs {
    ints: Vec<bool>,
    vectors: Vec<bool>,
    flags: bool,
    overwritten: [bool; slot::COUNT],
}

impl Needs {
    fn read(&mut self, v: Value) {
        let (list, n) = match v {
            Value::Int(v) => (&mut self.ints, v.0),
            Value::Vector(v) => (&mut self.vectors, v.0),
        };
        let n = n as usize;
        if n >= list.len() {
            list.resize(n + 1, false);
        }
        list[n] = true;
    }

    fn is_read(&self, v: Value) -> bool {
        match v {
            Value::Int(v) => self.ints.get(v.0 as usize) == Some(&true),
            Value::Vector(v) => self.vectors.get(v.0 as usize) == Some(&true),
        }
    }

    /// Notes a write to `count` slots; false if it will be overwritten unseen.
    fn write(&mut self, to: u16, count: usize) -> bool {
        let to = usize::from(to);
        let Some(slots) = self.overwritten.get_mut(to..to + count) else {
            return true;
        };
        let seen = slots.contains(&false);
        slots.fill(true);
        seen
    }

    fn look(&mut self, from: u16, count: usize) {
        let from = usize::from(from);
        if let Some(slots) = self.overwritten.get_mut(from..from + count) {
            slots.fill(false);
        }
    }

    /// Whether `op` has to stay, with its needs noted if so.
    fn keep(&mut self, op: &Op) -> bool {
        match *op {
            Op::Set { to, .. } if !self.write(to.0, 1) => return false,
            Op::SetVec { to, .. } if !self.write(to.0, 2) => return false,
            Op::SetFlags { .. } => {
                if !self.flags {
                    return false;
                }
                self.flags = false;
            }
            Op::SetFlagsIf { .. } => {
                if !self.flags {
                    return false;
                }
                self.flags = false;
            }
            _ if op.is_pure() => {
                let mut wanted = false;
                op.defines(|v| wanted |= self.is_read(v));
                if !wanted {
                    return false;
                }
            }
            _ => {}
        }
        match *op {
            Op::Get { from, .. } => self.look(from.0, 1),
            Op::GetVec { from, .. } => self.look(from.0, 2),
            Op::Wide { op, .. } if op.signature().fp_env => {
                self.look(slot::FP_CONTROL, 1);
                self.look(slot::FP_STATUS, 1);
            }
            _ => {}
        }
        if op.may_leave() {
            self.flags = true;
            self.overwritten.fill(false);
        }
        self.flags |= op.reads_flags();
        op.reads(|v| self.read(v));
        true
    }
}

/// Drops dead operations of a block.
pub(super) fn block(block: &mut Block, ints: u32) {
    let mut needs = Needs {
        ints: vec![false; ints as usize],
        vectors: Vec::new(),
        flags: true,
        overwritten: [false; slot::COUNT],
    };
    if let Some(a) = block.end.read() {
        needs.read(Value::Int(a));
    }
    let mut kept: Vec<bool> = block.ops.iter().rev().map(|op| needs.keep(op)).collect();
    block.ops.retain(|_| kept.pop() == Some(true));
}

#[cfg(test)]
mod tests {
    use crate::op::Region;

    fn after(ops: &str) -> String {
        let text = format!("region 0x0, insns 1, bytes 4\nblock 0:\n{ops}");
        let mut region: Region = text.parse().unwrap();
        super::block(&mut region.blocks[0], 100);
        let text = region.to_string();
        text.split_once("block 0:\n").unwrap().1.to_owned()
    }

    #[test]
    fn a_set_that_is_overwritten_unseen_goes() {
        let text = "  insn 0x0
  i0 = get 40
  set 41, i0
  i1 = load.b8 [i0]
  i2 = const 0x1
  set 41, i1
  exit
";
        // The load may fault, and then global 41 is seen.
        assert_eq!(after(text), text.replace("  i2 = const 0x1\n", ""));
        assert_eq!(
            after("  i0 = get 40\n  set 41, i0\n  i1 = not.64 i0\n  set 41, i1\n  exit\n"),
            "  i0 = get 40\n  i1 = not.64 i0\n  set 41, i1\n  exit\n"
        );
    }

    #[test]
    fn half_a_vector_is_not_all_of_it() {
        let text = "  v0 = get_vec 60\n  i0 = get 40\n  set_vec 64, v0\n  set 64, i0\n  exit\n";
        assert_eq!(after(text), text);
        let both = text.replace("  exit", "  set 65, i0\n  exit");
        assert_eq!(
            after(&both),
            "  i0 = get 40\n  set 64, i0\n  set 65, i0\n  exit\n"
        );
    }

    #[test]
    fn flags_stay_for_tests_faults_and_the_end() {
        let set = "  i0 = get 40\n  set_flags logic.64 i0\n";
        let again = "  set_flags nzcv i0\n  exit\n";
        assert_eq!(
            after(&format!("{set}{again}")),
            format!("  i0 = get 40\n{again}")
        );
        for reader in [
            "  i1 = test eq\n  set 41, i1\n",
            "  guard i0, 0xf, 1\n",
            "  call 1\n",
            "  store.b1 [i0], i0\n",
        ] {
            let text = format!("{set}{reader}{again}");
            assert_eq!(after(&text), text);
        }
    }
}
