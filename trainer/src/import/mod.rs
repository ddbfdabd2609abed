//! Import of TensorFlow Lite models: the same bits that LiteRT's reference kernels give, or an error that says where not.
//!
//! `flatbuffer` reads the bytes, `schema` gives them names, `conversion` collects a [`Program`], and one file per family of
//! operators in `operators` translates scales, paddings and options into the runtime's parameters. What an int8 model
//! states is kept exactly; each operator's rounding is the one that LiteRT's reference kernel was found to have.

mod conversion;
mod flatbuffer;
mod float;
mod fold;
mod infer;
mod litert;
mod operators;
mod schema;

use anyhow::{Context, Result, ensure};
use thumbnet::fixed::Rounding;

use crate::compile::Program;
use conversion::Conversion;
pub use float::{import_float, is_float};
pub use litert::{Compared, compare};

/// Whose bits an imported model has to give. They differ in fully connected layers only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Reference {
    /// LiteRT's reference kernels on a desktop: fully connected layers round once.
    #[default]
    Litert,
    /// TensorFlow Lite Micro's reference kernels: fully connected layers round twice.
    Tflm,
}

impl Reference {
    /// How a fully connected layer's accumulators become outputs.
    const fn fully_connected(self) -> Rounding {
        match self {
            Self::Litert => Rounding::Single,
            Self::Tflm => Rounding::Double,
        }
    }
}

/// How to translate what a file leaves open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whose bits to give.
    pub reference: Reference,
    /// LSTM layers go on from the states that the last inference left, as LiteRT does until its variables are reset.
    /// Otherwise every inference starts with empty ones, as Keras does.
    pub keep_lstm_states: bool,
}

/// What an import did, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Operators in the file.
    pub operators: usize,
    /// Output channels that are constant whatever the input; their weights became zero.
    pub constant_channels: usize,
    /// Operators that became part of another step, or need none.
    pub folded: usize,
}

/// More multiply-accumulates than a Cortex-M does in an hour.
const MAX_MACS: u64 = 1 << 32;

/// Translates an int8 `.tflite` file.
///
/// # Errors
/// The bytes are not such a file, or it holds something that is not supported; the message names the operator.
pub fn import(bytes: &[u8], options: Options) -> Result<(Program, Summary)> {
    let mut model = schema::parse(bytes)?;
    let operators = model.operators.len();
    fold::fold(&mut model)?;
    let mut conversion = Conversion::new(&model, options)?;
    for operator in &model.operators {
        operators::convert(&mut conversion, operator).with_context(|| operators::place(operator, &model.tensors))?;
    }
    let (program, summary) = conversion.finish()?;
    let summary = Summary { operators, folded: operators - model.operators.len(), ..summary };
    let macs = program.macs();
    ensure!(macs <= MAX_MACS, "one inference has {macs} multiply-accumulates, at most {MAX_MACS} are taken");
    Ok((program, summary))
}
