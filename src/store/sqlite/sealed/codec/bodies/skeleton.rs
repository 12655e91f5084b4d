//! Skeletons prepared for use, and the register of those of a block.
//!
//! In: skeletons as [`split`](super::split) writes them. Out: steps (copy these bytes, then a value, a piece or the end) by
//! which a body is compared with a skeleton or made from it. Refused: markers without meaning, and more of them than any
//! body of ours has.

use super::split::{LITERAL, MARKERS_MAX, PIECE, TAIL, VALUE, counted, scalar_end};
use crate::store::sqlite::bytes::{Reader, Short};

/// What comes after some literal bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// A value.
    Value,
    /// A piece; the one before ends.
    Piece,
    /// The rest, and nothing after it.
    Tail,
    /// Nothing.
    End,
}

/// Some literal bytes and what comes after them.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Where the literal ends among those of the skeleton.
    pub literal_end: u32,
    /// What comes then.
    pub then: Then,
    /// The column of a value or a tail.
    pub column: u16,
}

/// A skeleton in steps.
#[derive(Debug)]
pub struct Skeleton {
    /// The literals, one after another.
    pub literals: Vec<u8>,
    /// The steps; the last is a tail or the end.
    pub steps: Vec<Step>,
}

impl Skeleton {
    /// Reads a skeleton; `column` tells that of the next value.
    pub fn read(bytes: &[u8], mut column: impl FnMut() -> Result<u16, Short>) -> Result<Self, Short> {
        let (mut literals, mut steps) = (Vec::with_capacity(bytes.len()), Vec::new());
        let mut input = Reader::new(bytes);
        let mut ended = false;
        while !input.is_empty() {
            let then = match input.byte()? {
                VALUE => Then::Value,
                PIECE => Then::Piece,
                TAIL => Then::Tail,
                LITERAL => {
                    literals.push(input.byte()?);
                    continue;
                }
                byte => {
                    literals.push(byte);
                    continue;
                }
            };
            let column = if then == Then::Piece { 0 } else { column()? };
            if steps.len() == MARKERS_MAX {
                return Err(Short);
            }
            steps.push(Step { literal_end: literals.len() as u32, then, column });
            ended = then == Then::Tail;
            if ended {
                break;
            }
        }
        if !ended {
            steps.push(Step { literal_end: literals.len() as u32, then: Then::End, column: 0 });
        }
        if !input.is_empty() {
            return Err(Short);
        }
        Ok(Self { literals, steps })
    }

    /// Whether it ends in a tail.
    pub fn has_tail(&self) -> bool {
        self.steps.last().is_some_and(|step| step.then == Then::Tail)
    }

    /// Whether a body has this skeleton; then its values and their columns were appended.
    pub fn fits<'b>(&self, body: &'b [u8], values: &mut Vec<(u16, &'b [u8])>) -> bool {
        let before = values.len();
        let fits = self.walk(body, values).is_some();
        if !fits {
            values.truncate(before);
        }
        fits
    }

    fn walk<'b>(&self, body: &'b [u8], values: &mut Vec<(u16, &'b [u8])>) -> Option<()> {
        // Outside of pieces `text` is the body; inside, the piece.
        let mut rest = Reader::new(body);
        let mut text = body;
        let mut at = 0;
        let mut literal_start = 0;
        let mut inside = false;
        for step in &self.steps {
            let literal = &self.literals[literal_start..step.literal_end as usize];
            literal_start = step.literal_end as usize;
            if !text.get(at..)?.starts_with(literal) {
                return None;
            }
            at += literal.len();
            match step.then {
                Then::Value => {
                    let end = scalar_end(text, at);
                    values.push((step.column, text.get(at..end).filter(|value| !value.is_empty())?));
                    at = end;
                }
                Then::Piece | Then::Tail | Then::End => {
                    if !inside {
                        rest.take(at).ok()?;
                    } else if at != text.len() {
                        return None;
                    }
                    match step.then {
                        Then::Piece => {
                            inside = true;
                            text = counted(&mut rest)?;
                            at = 0;
                        }
                        Then::Tail => values.push((step.column, rest.take(rest.left()).ok()?)),
                        _ if rest.is_empty() => {}
                        _ => return None,
                    }
                }
            }
        }
        Some(())
    }
}
