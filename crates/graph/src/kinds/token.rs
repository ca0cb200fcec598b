//! Tokens of a sequence.
use crate::kind::{Level, Operand, SparsityKind};
use crate::phase::Phase;
use serde::{Deserialize, Serialize};

/// Leaves out tokens: what is computed for each of them is not. Where tokens meet each other, work falls with the square.
///
/// At a site of tokens, of each sample those with the largest norms go on, as if the others had never been there: the operator `Keep` says
/// which (as in EViT, Liang et al., 2022, which goes by what attention they receive).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token;

impl SparsityKind for Token {
    fn name(&self) -> &'static str {
        "token"
    }

    fn level(&self) -> Level {
        Level::Token
    }

    fn operands(&self) -> &'static [Operand] {
        &[Operand::Activation, Operand::InputGradient, Operand::Data]
    }

    fn phases(&self) -> &'static [Phase] {
        &[Phase::Forward, Phase::BackwardInput, Phase::BackwardWeight]
    }

    fn fits(&self, units: usize, _block: usize) -> bool {
        units > 1
    }
}
