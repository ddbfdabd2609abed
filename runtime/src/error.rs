//! What can be wrong, each with what was found, what was expected and what to do.

use core::fmt;

/// Why bytes are not a model that this runtime can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FormatError {
    /// Fewer bytes than the fixed head has.
    TooShort {
        /// Bytes given.
        found: usize,
    },
    /// The first byte does not lie at a multiple of 4.
    Misaligned,
    /// The file does not start with `TNET`.
    Magic {
        /// First four bytes.
        found: [u8; 4],
    },
    /// Written by another version of the format.
    Version {
        /// Version of the file.
        found: u32,
    },
    /// Cut off, or with something behind it.
    Length {
        /// Bytes given.
        found: usize,
        /// Bytes that the head states.
        expected: u32,
    },
    /// Some byte changed since the file was written.
    Checksum {
        /// Digest of the bytes given.
        found: u32,
        /// Digest that the head states.
        expected: u32,
    },
    /// A section does not lie within the file.
    Section(&'static str),
    /// The description does not decode, or its lists have wrong lengths.
    Info,
    /// A tensor of the table is impossible.
    Tensor {
        /// Its number.
        tensor: u32,
        /// What is wrong.
        problem: TensorProblem,
    },
    /// A step of the program is impossible.
    Step {
        /// Its number.
        step: u32,
        /// What is wrong.
        problem: StepProblem,
    },
    /// The head states another amount of work than the steps amount to.
    Work {
        /// What the head states.
        found: u64,
        /// What the steps amount to.
        expected: u64,
    },
    /// An output is not the number of a tensor, or would not outlive the last step.
    Output {
        /// Number of the output.
        output: u32,
    },
}

/// What is wrong with a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TensorProblem {
    /// The record does not decode: unknown type or place.
    Record,
    /// A dimension is zero, the rank is above 6, or the size overflows.
    Shape,
    /// Scale not positive and finite, or zero point out of range.
    Quantization,
    /// Not within its memory, or not aligned to 4.
    Range,
    /// An input of the model that is not in the arena, a constant that is not in the data section, or a result in it.
    Place,
    /// Used after its last use, or its last use is before it exists.
    Lifetime,
    /// Shares memory with another tensor that is alive at the same time.
    Overlap,
}

/// What is wrong with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum StepProblem {
    /// The record does not decode: unknown operator or parameter, or a wrong length.
    Record,
    /// Wrong number of inputs.
    Arity,
    /// Reads a tensor that does not exist yet.
    Order,
    /// An input or the output has a type that the operator does not take.
    Type,
    /// Shapes do not fit each other or the parameters.
    Shape,
    /// Scales or zero points do not fit each other or the parameters.
    Quantization,
    /// A parameter is out of range.
    Params,
    /// A multiplier or shift is out of range.
    Scale,
    /// Weights, channels or table do not lie within the data section.
    Data,
    /// Reads a tensor after its last use.
    Lifetime,
    /// The output lies over something that is still needed.
    Overlap,
    /// Does not change states of its own, or they are read again later.
    State,
    /// The scratch does not lie within the arena, or over something that is needed.
    Scratch,
    /// The operator is not in this build: its feature of the crate is off.
    NotBuilt,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::format::{HEAD_BYTES, VERSION};
        match self {
            Self::TooShort { found } => {
                write!(f, "not a model: {found} bytes, a model has at least {HEAD_BYTES}; is the file cut off?")
            }
            Self::Misaligned => f.write_str(
                "the model does not start at a multiple of 4 bytes; place it with include_model! or align its section",
            ),
            Self::Magic { found } => write!(f, "not a model: it starts with {found:02x?}, a model with \"TNET\""),
            Self::Version { found } => write!(
                f,
                "model format version {found}, this runtime reads version {VERSION}; export the model again with the \
                 matching thumbnet, or update the firmware"
            ),
            Self::Length { found, expected } => {
                write!(f, "model of {found} bytes, its head says {expected}; it was cut off or padded: copy it again")
            }
            Self::Checksum { found, expected } => write!(
                f,
                "checksum {found:08x}, expected {expected:08x}: the model was damaged after export; copy it again"
            ),
            Self::Section(name) => write!(f, "the {name} section does not lie within the model; export it again"),
            Self::Info => f.write_str("the description of the model does not decode; export it again"),
            Self::Tensor { tensor, problem } => write!(f, "tensor {tensor}: {problem}; export the model again"),
            Self::Step { step, problem } => write!(f, "step {step}: {problem}; export the model again"),
            Self::Work { found, expected } => {
                write!(f, "the head states a work of {found}, the steps amount to {expected}; export the model again")
            }
            Self::Output { output } => write!(f, "output {output} is not a tensor that lives to the end"),
        }
    }
}

impl fmt::Display for TensorProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Record => "unknown type or place",
            Self::Shape => "a dimension of zero, more than six dimensions, or too many elements",
            Self::Quantization => "scale not positive and finite, or zero point out of range",
            Self::Range => "not within its memory, or not aligned to 4 bytes",
            Self::Place => "in the wrong memory for what it is",
            Self::Lifetime => "its last use is not within its life",
            Self::Overlap => "shares memory with another input, or lies where a state is kept",
        })
    }
}

impl fmt::Display for StepProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Record => "unknown operator or parameter, or a record of the wrong length",
            Self::Arity => "wrong number of inputs",
            Self::Order => "reads a tensor that does not exist yet",
            Self::Type => "an element type that the operator does not take",
            Self::Shape => "shapes that do not fit the operator",
            Self::Quantization => "scales or zero points that do not fit the operator",
            Self::Params => "a parameter out of range",
            Self::Scale => "a multiplier or shift out of range",
            Self::Data => "weights or table not within the data section",
            Self::Lifetime => "reads a tensor after its last use",
            Self::Overlap => "writes over a tensor that is still needed",
            Self::State => "does not change states of its own, or they are read again later",
            Self::Scratch => "scratch outside of the arena or over a tensor that is needed",
            Self::NotBuilt => "this build lacks the operator: turn on the feature of the crate that brings it",
        })
    }
}

impl core::error::Error for FormatError {}

/// Why a session cannot be made from a model and an arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SessionError {
    /// The arena is smaller than the model needs.
    ArenaTooSmall {
        /// Bytes given.
        found: usize,
        /// Bytes needed.
        expected: usize,
    },
    /// The arena does not start at a multiple of 4 bytes.
    ArenaMisaligned,
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ArenaTooSmall { found, expected } => {
                write!(f, "arena of {found} bytes, the model needs {expected}: use Arena<{expected}>")
            }
            Self::ArenaMisaligned => {
                f.write_str("the arena does not start at a multiple of 4 bytes: use thumbnet::Arena")
            }
        }
    }
}

impl core::error::Error for SessionError {}

/// Why values were not taken as an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum InputError {
    /// The model has fewer inputs or outputs.
    Index {
        /// Number asked for.
        found: usize,
        /// How many there are.
        count: usize,
    },
    /// The tensor has another number of elements.
    Length {
        /// Elements given.
        found: usize,
        /// Elements of the tensor.
        expected: usize,
    },
    /// The tensor has another type.
    Type,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index { found, count } => {
                write!(f, "tensor {found} asked for, the model has {count}, counted from 0")
            }
            Self::Length { found, expected } => write!(f, "{found} elements given, the tensor has {expected}"),
            Self::Type => f.write_str("the tensor has another element type; see Tensor::dtype"),
        }
    }
}

impl core::error::Error for InputError {}
