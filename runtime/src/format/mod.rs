//! The model file: what the exporter writes and the chip reads in place. `FORMAT.md` is its specification, byte by byte.
//!
//! Everything the chip needs in order to run is raw little-endian words behind a fixed [`Head`]: it is read where it lies,
//! without decoding into RAM. What only people and tools read (names, labels, provenance) is [`Info`], in the bytes of postcard.

mod bytes;
mod head;
mod info;
mod step;
mod tensor;
mod words;

pub use head::{HEAD_BYTES, Head, MAGIC, Section, VERSION};
pub use info::{Info, NameList};
pub use step::{
    AccumulateParams, AddParams, BinaryFunction, BinaryParams, Border, Cell, ConcatParams, ConvParams,
    FullyConnectedParams, Function, GatherParams, LookupParams, LstmParams, MAX_INPUTS, MatMulParams, MotionParams,
    MulParams, Op, PadParams, PcenParams, PoolParams, RecurrentParams, ReduceFunction, ReduceParams, RequantizeParams,
    ResizeParams, SoftmaxParams, SpectrogramParams, Step, Steps, SumParams, SvdfParams, TakeParams, ViewParams,
};
pub(crate) use step::{PerOp, Record, Records};
pub use tensor::{DType, MAX_RANK, Place, RECORD_WORDS, Tensor, Tensors};
pub use words::{Encode, Words};
