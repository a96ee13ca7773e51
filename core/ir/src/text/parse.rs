//! Reading.

use std::str::FromStr;

use super::Named;
use super::words::{Result, Words, Wrong, mem, shape, vector, wide_op};
use crate::op::{
    AtomicOp, BinOp, Block, Cc, Condition, Fence, Global, HelperId, IndirectKind, Int, Mem, Op,
    Region, Terminator, UnOp, Value, VecGlobal, Width,
};

/// A text is not a region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: cannot read {found:?} as {wanted}")]
pub struct ParseError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is there.
    pub found: String,
    /// What should be.
    pub wanted: &'static str,
}

/// The values before `=`, with the rest of the line.
fn results(line: &str) -> Result<(Vec<Value>, &str)> {
    let Some((left, right)) = line.split_once(" = ") else {
        return Ok((Vec::new(), line));
    };
    let mut words = Words::new(left);
    let mut values = Vec::new();
    while !words.peek().is_empty() {
        values.push(match vector(words.peek()) {
            Some(v) => {
                words.word();
                Value::Vector(v)
            }
            None => Value::Int(words.int()?),
        });
    }
    Ok((values, right))
}

/// One line of a block.
enum Line {
    Op(Op),
    End(Terminator),
}

fn line(text: &str) -> Result<Line> {
    let (defined, rest) = results(text)?;
    let mut words = Words::new(rest);
    let mnemonic = words.word();
    let (name, suffix) = mnemonic.split_once('.').unwrap_or((mnemonic, ""));
    if let Some(end) = terminator(name, suffix, &mut words)? {
        words.end()?;
        return Ok(Line::End(end));
    }
    let unknown = || (mnemonic.to_owned(), "an operation");
    let op = if defined.is_empty() {
        effect(name, suffix, &mut words)?
    } else {
        definition(name, suffix, &defined, &mut words)?
    };
    let op = op.ok_or_else(unknown)?;
    words.end()?;
    Ok(Line::Op(op))
}

fn terminator(name: &str, suffix: &str, words: &mut Words<'_>) -> Result<Option<Terminator>> {
    Ok(Some(match name {
        "goto" => Terminator::Goto(words.target()?),
        "branch" => Terminator::Branch {
            c: words.int()?,
            then: words.target()?,
            other: words.target()?,
        },
        "indirect" => Terminator::Indirect {
            kind: IndirectKind::from_name(suffix)
                .ok_or((suffix.to_owned(), "a kind of indirect branch"))?,
            to: words.int()?,
        },
        "exit" => Terminator::Exit,
        _ => return Ok(None),
    }))
}

fn attributes(suffix: &str) -> Result<Mem> {
    mem(suffix).ok_or((suffix.to_owned(), "the attributes of an access"))
}

fn call_args(words: &mut Words<'_>) -> Result<[Option<Int>; 4]> {
    let mut args = [None; 4];
    for arg in &mut args {
        if !words.peek().is_empty() {
            *arg = Some(words.int()?);
        }
    }
    Ok(args)
}

/// Operations that define nothing.
fn effect(name: &str, suffix: &str, words: &mut Words<'_>) -> Result<Option<Op>> {
    Ok(Some(match name {
        "insn" => Op::Insn {
            pc: words.number()?,
        },
        "set" => Op::Set {
            to: Global(words.number()?),
            a: words.int()?,
        },
        "set_vec" => Op::SetVec {
            to: VecGlobal(words.number()?),
            a: words.vector()?,
        },
        "set_flags" => {
            let (kind, [a, b, c]) = words.flags()?;
            Op::SetFlags { kind, a, b, c }
        }
        "set_flags_if" => {
            let c = words.int()?;
            let otherwise = words.number()?;
            let (kind, [a, b, _]) = words.flags()?;
            Op::SetFlagsIf {
                c,
                kind,
                a,
                b,
                otherwise,
            }
        }
        "store" => {
            let mem = attributes(suffix)?;
            let (addr, disp) = words.address()?;
            let a = words.int()?;
            Op::Store { addr, disp, a, mem }
        }
        "store_vec" => {
            let mem = attributes(suffix)?;
            let (addr, disp) = words.address()?;
            let a = words.vector()?;
            Op::StoreVec { addr, disp, a, mem }
        }
        "clear_exclusive" => Op::ClearExclusive,
        "fence" => Op::Fence(words.named::<Fence>("a fence")?),
        "call" => Op::Call {
            helper: HelperId(words.number()?),
            args: call_args(words)?,
            d: None,
        },
        "guard" => Op::Guard {
            a: words.int()?,
            mask: words.number()?,
            helper: HelperId(words.number()?),
        },
        _ => return Ok(None),
    }))
}

/// Operations that define values.
fn definition(
    name: &str,
    suffix: &str,
    defined: &[Value],
    words: &mut Words<'_>,
) -> Result<Option<Op>> {
    let text = || defined.iter().map(ToString::to_string).collect::<String>();
    match *defined {
        [Value::Int(d)] => {
            if let Some(op) = arithmetic(name, suffix, d, words)? {
                return Ok(Some(op));
            }
            if let Some(op) = access(name, suffix, d, words)? {
                return Ok(Some(op));
            }
        }
        [Value::Vector(d)] => match name {
            "get_vec" => {
                let from = VecGlobal(words.number()?);
                return Ok(Some(Op::GetVec { d, from }));
            }
            "load_vec" => {
                let mem = attributes(suffix)?;
                let (addr, disp) = words.address()?;
                return Ok(Some(Op::LoadVec { d, addr, disp, mem }));
            }
            _ => {}
        },
        [Value::Int(d), Value::Int(e)] => return pair(name, suffix, [d, e], words),
        _ => return Err((text(), "the results of an operation")),
    }
    wide(name, suffix, defined[0], words)
}

fn wide(name: &str, suffix: &str, d: Value, words: &mut Words<'_>) -> Result<Option<Op>> {
    let Some(op) = wide_op(name, suffix) else {
        return Ok(None);
    };
    let shape = words.read("a shape", shape)?;
    let signature = op.signature();
    let mut v = [None; 3];
    for v in v.iter_mut().take(usize::from(signature.vecs)) {
        *v = Some(words.vector()?);
    }
    let int = if signature.int {
        Some(words.int()?)
    } else {
        None
    };
    let imm = words.number()?;
    Ok(Some(Op::Wide {
        op,
        shape,
        imm,
        d,
        v,
        int,
    }))
}

/// Integer operations apart from memory.
fn arithmetic(name: &str, suffix: &str, d: Int, words: &mut Words<'_>) -> Result<Option<Op>> {
    if let Some(w) = Width::from_name(suffix) {
        if let Some(op) = BinOp::from_name(name) {
            let [a, b] = words.ints()?;
            return Ok(Some(Op::Bin { op, w, d, a, b }));
        }
        if let Some(op) = UnOp::from_name(name) {
            let a = words.int()?;
            return Ok(Some(Op::Un { op, w, d, a }));
        }
        if let Some(cc) = Cc::from_name(name) {
            let [a, b] = words.ints()?;
            return Ok(Some(Op::Compare { cc, w, d, a, b }));
        }
        return Ok(Some(match name {
            "extract_s" | "extract_u" => Op::Extract {
                d,
                w,
                a: words.int()?,
                lsb: words.number()?,
                len: words.number()?,
                signed: name == "extract_s",
            },
            "insert" => Op::Insert {
                d,
                w,
                a: words.int()?,
                b: words.int()?,
                lsb: words.number()?,
                len: words.number()?,
            },
            "funnel" => Op::Funnel {
                d,
                w,
                high: words.int()?,
                low: words.int()?,
                lsb: words.number()?,
            },
            _ => return Ok(None),
        }));
    }
    Ok(Some(match name {
        "const" => Op::Const {
            d,
            value: words.number()?,
        },
        "get" => Op::Get {
            d,
            from: Global(words.number()?),
        },
        "select" => Op::Select {
            d,
            c: words.int()?,
            a: words.int()?,
            b: words.int()?,
        },
        "test" => Op::Test {
            d,
            cond: words.named::<Condition>("a condition")?,
        },
        "get_nzcv" => Op::GetNzcv { d },
        "call" => Op::Call {
            helper: HelperId(words.number()?),
            args: call_args(words)?,
            d: Some(d),
        },
        _ => return Ok(None),
    }))
}

/// Memory accesses with one integer result.
fn access(name: &str, suffix: &str, d: Int, words: &mut Words<'_>) -> Result<Option<Op>> {
    let Some(mem) = mem(suffix) else {
        return Ok(None);
    };
    if let Some(op) = AtomicOp::from_name(name) {
        let [addr, a] = words.ints()?;
        return Ok(Some(Op::AtomicRmw {
            op,
            d,
            addr,
            a,
            mem,
        }));
    }
    Ok(Some(match name {
        "load" => {
            let (addr, disp) = words.address()?;
            Op::Load { d, addr, disp, mem }
        }
        "load_exclusive" => Op::LoadExclusive {
            d,
            addr: words.int()?,
            mem,
        },
        "store_exclusive" => Op::StoreExclusive {
            d,
            addr: words.int()?,
            a: words.int()?,
            mem,
        },
        "store_exclusive_pair" => Op::StoreExclusivePair {
            d,
            addr: words.int()?,
            a: words.ints()?,
            mem,
        },
        "cas" => Op::AtomicCas {
            d,
            addr: words.int()?,
            old: words.int()?,
            new: words.int()?,
            mem,
        },
        _ => return Ok(None),
    }))
}

/// Operations with two results.
fn pair(name: &str, suffix: &str, d: [Int; 2], words: &mut Words<'_>) -> Result<Option<Op>> {
    let mem = attributes(suffix)?;
    let addr = words.int()?;
    Ok(Some(match name {
        "load_exclusive_pair" => Op::LoadExclusivePair { d, addr, mem },
        "cas_pair" => Op::AtomicCasPair {
            d,
            addr,
            old: words.ints()?,
            new: words.ints()?,
            mem,
        },
        _ => return Ok(None),
    }))
}

fn header(text: &str) -> Result<Region> {
    let mut words = Words::new(text);
    let mut field = |name: &'static str| {
        words.read(name, |word| (word == name).then_some(()))?;
        words.number::<u64>()
    };
    let (entry, insns, bytes) = (field("region")?, field("insns")?, field("bytes")?);
    words.end()?;
    Ok(Region {
        entry,
        blocks: Vec::new(),
        insns: insns as u32,
        bytes: bytes as u32,
    })
}

impl FromStr for Region {
    type Err = ParseError;

    fn from_str(text: &str) -> std::result::Result<Self, ParseError> {
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(n, text)| (n + 1, text.trim()))
            .filter(|(_, text)| !text.is_empty());
        let at = |line: usize| {
            move |(found, wanted): Wrong| ParseError {
                line,
                found,
                wanted,
            }
        };
        let (n, first) = lines.next().unwrap_or((1, ""));
        let mut region = header(first).map_err(at(n))?;
        let mut ops = Vec::new();
        let mut open = false;
        for (n, text) in lines {
            if let Some(number) = text.strip_prefix("block ") {
                let expected = format!("{}:", region.blocks.len());
                if open || number != expected {
                    return Err(at(n)((text.to_owned(), "the next block")));
                }
                open = true;
                continue;
            }
            match line(text).map_err(at(n))? {
                _ if !open => return Err(at(n)((text.to_owned(), "the start of a block"))),
                Line::Op(op) => ops.push(op),
                Line::End(end) => {
                    let ops = std::mem::take(&mut ops);
                    region.blocks.push(Block { ops, end });
                    open = false;
                }
            }
        }
        if open {
            let last = text.lines().count();
            return Err(at(last)((String::new(), "the end of the block")));
        }
        Ok(region)
    }
}
