//! Where each value of a block is while instructions are written.

use super::super::lowered::LowerError;
use super::plan::Plan;
use crate::op::{Int, Value, Vector};
use crate::state::slot;

const NOWHERE: u16 = u16::MAX;

/// A value that has to move before its slot is overwritten.
pub(super) struct Move {
    pub vector: bool,
    pub from: u16,
    pub to: u16,
}

/// The places of values, and what slots hold.
pub(super) struct Places {
    ints: Vec<u16>,
    vectors: Vec<u16>,
    /// A value that stands for this one: two reads of a global that did not change between.
    int_alias: Vec<Option<Int>>,
    vector_alias: Vec<Option<Vector>>,
    /// The integer that each slot below the temporaries holds.
    held_ints: Vec<Option<Int>>,
    /// The vector that starts at each slot below the temporaries.
    held_vectors: Vec<Option<Vector>>,
    /// Slots with an entry.
    occupied: Vec<u16>,
    /// What the flag operand slots hold besides.
    flag_copies: [Option<Int>; 2],
    free_ints: Vec<u16>,
    free_vectors: Vec<u16>,
    next_int: u16,
    next_vector: u16,
}

impl Places {
    pub(super) fn new() -> Self {
        Self {
            ints: Vec::new(),
            vectors: Vec::new(),
            int_alias: Vec::new(),
            vector_alias: Vec::new(),
            held_ints: vec![None; slot::FIRST_TEMP as usize],
            held_vectors: vec![None; slot::FIRST_TEMP as usize],
            occupied: Vec::new(),
            flag_copies: [None; 2],
            free_ints: Vec::new(),
            free_vectors: Vec::new(),
            next_int: slot::FIRST_TEMP,
            next_vector: slot::COUNT as u16,
        }
    }

    /// Forgets the last block.
    pub(super) fn begin(&mut self, plan: &Plan) {
        self.ints.resize(plan.ints.len(), NOWHERE);
        self.int_alias.resize(plan.ints.len(), None);
        self.vectors.resize(plan.vectors.len(), NOWHERE);
        self.vector_alias.resize(plan.vectors.len(), None);
        for s in self.occupied.drain(..) {
            self.held_ints[s as usize] = None;
            self.held_vectors[s as usize] = None;
        }
        self.flag_copies = [None; 2];
        self.free_ints.clear();
        self.free_vectors.clear();
        self.next_int = slot::FIRST_TEMP;
        self.next_vector = slot::COUNT as u16;
    }

    /// The value that stands for `v`.
    pub(super) fn representative(&self, v: Value) -> Value {
        match v {
            Value::Int(a) => Value::Int(self.int_alias[a.0 as usize].unwrap_or(a)),
            Value::Vector(a) => Value::Vector(self.vector_alias[a.0 as usize].unwrap_or(a)),
        }
    }

    /// The slot that holds `v`.
    pub(super) fn place(&self, v: Value) -> u16 {
        match self.representative(v) {
            Value::Int(a) => self.ints[a.0 as usize],
            Value::Vector(a) => self.vectors[a.0 as usize],
        }
    }

    fn set_place(&mut self, v: Value, at: u16) {
        match v {
            Value::Int(a) => self.ints[a.0 as usize] = at,
            Value::Vector(a) => self.vectors[a.0 as usize] = at,
        }
    }

    /// Notes that `v` is now in `at`.
    pub(super) fn put(&mut self, v: Value, at: u16) {
        self.set_place(v, at);
        if at >= slot::FIRST_TEMP {
            return;
        }
        match v {
            Value::Int(a) => self.held_ints[at as usize] = Some(a),
            Value::Vector(a) => self.held_vectors[at as usize] = Some(a),
        }
        self.occupied.push(at);
    }

    /// Notes that `v` was read from the global at `from`, which needs no instruction.
    pub(super) fn alias(&mut self, plan: &mut Plan, v: Value, from: u16) {
        match v {
            Value::Int(a) if self.held_ints[from as usize].is_some() => {
                self.int_alias[a.0 as usize] = self.held_ints[from as usize];
            }
            Value::Vector(a) if self.held_vectors[from as usize].is_some() => {
                self.vector_alias[a.0 as usize] = self.held_vectors[from as usize];
            }
            _ => self.put(v, from),
        }
        let last = plan.facts(v).last;
        let facts = plan.facts_mut(self.representative(v));
        facts.last = facts.last.max(last);
    }

    /// A new temporary.
    pub(super) fn temporary(&mut self, vector: bool) -> Result<u16, LowerError> {
        let at = if vector {
            self.free_vectors.pop().unwrap_or_else(|| {
                self.next_vector -= 2;
                self.next_vector
            })
        } else {
            self.free_ints.pop().unwrap_or_else(|| {
                self.next_int += 1;
                self.next_int - 1
            })
        };
        if self.next_int > self.next_vector {
            return Err(LowerError::TooManyTemporaries);
        }
        Ok(at)
    }

    /// Gives back a temporary; globals are left alone.
    pub(super) fn free(&mut self, at: u16, vector: bool) {
        if at >= slot::FIRST_TEMP && at != NOWHERE {
            if vector {
                self.free_vectors.push(at);
            } else {
                self.free_ints.push(at);
            }
        }
    }

    /// Gives back the temporary of a value that was read for the last time at or before `at`.
    pub(super) fn release(&mut self, plan: &Plan, v: Value, at: u32) {
        let v = self.representative(v);
        if plan.facts(v).last <= at {
            let place = self.place(v);
            if place >= slot::FIRST_TEMP && place != NOWHERE {
                self.free(place, matches!(v, Value::Vector(_)));
                self.set_place(v, NOWHERE);
            }
        }
    }

    /// Notes that a flag operand slot (0 for A, 1 for B) has a copy of a value.
    pub(super) fn set_flag_copy(&mut self, which: usize, v: Option<Int>) {
        let copy = v.and_then(|v| match self.representative(Value::Int(v)) {
            Value::Int(v) => Some(v),
            Value::Vector(_) => None,
        });
        self.flag_copies[which] = copy;
    }

    /// Makes way for a write to `count` slots from `to` by the operation at `at`: values that are
    /// there and read later get another place, and the moves that this takes are returned.
    pub(super) fn make_way(
        &mut self,
        plan: &Plan,
        to: u16,
        count: u16,
        at: u32,
    ) -> Result<Vec<Move>, LowerError> {
        let mut moves = Vec::new();
        if to >= slot::FIRST_TEMP {
            return Ok(moves);
        }
        for (s, copy) in [slot::FLAG_A, slot::FLAG_B]
            .into_iter()
            .zip(&mut self.flag_copies)
        {
            if (to..to + count).contains(&s) {
                *copy = None;
            }
        }
        for s in to..to + count {
            if let Some(a) = self.held_ints[s as usize].take() {
                moves.extend(self.evict(plan, Value::Int(a), s, at)?);
            }
        }
        // A vector that starts one slot before reaches into the first slot.
        for s in to.saturating_sub(1)..to + count {
            if let Some(a) = self.held_vectors[s as usize].take() {
                moves.extend(self.evict(plan, Value::Vector(a), s, at)?);
            }
        }
        Ok(moves)
    }

    /// Finds another place for `v` in slot `from`, if it is still there and needed.
    fn evict(
        &mut self,
        plan: &Plan,
        v: Value,
        from: u16,
        at: u32,
    ) -> Result<Option<Move>, LowerError> {
        // The value may have moved on since.
        if self.place(v) != from || plan.facts(v).last <= at {
            return Ok(None);
        }
        if let Value::Int(a) = v
            && let Some(n) = self.flag_copies.iter().position(|&copy| copy == Some(a))
        {
            self.put(v, slot::FLAG_A + n as u16);
            return Ok(None);
        }
        let vector = matches!(v, Value::Vector(_));
        let to = self.temporary(vector)?;
        self.set_place(v, to);
        Ok(Some(Move { vector, from, to }))
    }

    /// Slots below the temporaries that hold values.
    pub(super) fn occupied(&self) -> Vec<u16> {
        let mut slots = self.occupied.clone();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Forgets copies in the flag slots: something else is about to write them.
    pub(super) fn forget_flag_copies(&mut self) {
        self.flag_copies = [None; 2];
    }
}
