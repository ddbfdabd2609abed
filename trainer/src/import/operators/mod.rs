//! The operators, a file per family.

mod activation;
mod channels;
mod convolution;
mod eltwise;
mod lstm;
mod matrix;
mod pool;
mod reduce;
mod shape;
mod softmax;
mod state;
mod take;
mod view;

use anyhow::{Result, bail, ensure};
use thumbnet::format::Op;
use thumbnet::kernels::Clamp;

use super::conversion::Conversion;
use super::schema::{Operator, Type};
use crate::quantize::Quant;

/// How an operator is translated.
type Convert = fn(&mut Conversion<'_>, &Operator<'_>) -> Result<()>;

/// Code, name and translation of what is supported.
const OPERATORS: &[(i32, &str, Convert)] = &[
    (0, "ADD", eltwise::add),
    (1, "AVERAGE_POOL_2D", pool::average),
    (2, "CONCATENATION", shape::concatenation),
    (3, "CONV_2D", convolution::conv2d),
    (4, "DEPTHWISE_CONV_2D", convolution::depthwise),
    (5, "DEPTH_TO_SPACE", view::depth_to_space),
    (6, "DEQUANTIZE", activation::dequantize),
    (7, "EMBEDDING_LOOKUP", take::embedding_lookup),
    (9, "FULLY_CONNECTED", convolution::fully_connected),
    (14, "LOGISTIC", activation::logistic),
    (17, "MAX_POOL_2D", pool::max),
    (18, "MUL", eltwise::mul),
    (19, "RELU", activation::relu),
    (20, "RELU_N1_TO_1", activation::relu),
    (21, "RELU6", activation::relu),
    (22, "RESHAPE", shape::reshape),
    (23, "RESIZE_BILINEAR", matrix::resize_bilinear),
    (25, "SOFTMAX", softmax::softmax),
    (26, "SPACE_TO_DEPTH", view::space_to_depth),
    (27, "SVDF", state::svdf),
    (28, "TANH", activation::tanh),
    (34, "PAD", shape::pad),
    (36, "GATHER", take::gather),
    (37, "BATCH_TO_SPACE_ND", view::batch_to_space),
    (38, "SPACE_TO_BATCH_ND", view::space_to_batch),
    (39, "TRANSPOSE", view::transpose),
    (40, "MEAN", reduce::mean),
    (41, "SUB", eltwise::sub),
    (43, "SQUEEZE", shape::reshape),
    (44, "UNIDIRECTIONAL_SEQUENCE_LSTM", lstm::lstm),
    (45, "STRIDED_SLICE", view::strided_slice),
    (49, "SPLIT", view::split),
    (54, "PRELU", eltwise::prelu),
    (55, "MAXIMUM", eltwise::maximum),
    (56, "ARG_MAX", shape::arg_max),
    (57, "MINIMUM", eltwise::minimum),
    (59, "NEG", activation::neg),
    (60, "PADV2", shape::pad),
    (65, "SLICE", view::slice),
    (67, "TRANSPOSE_CONV", convolution::transpose_conv),
    (70, "EXPAND_DIMS", shape::reshape),
    (74, "SUM", reduce::sum),
    (75, "SQRT", activation::sqrt),
    (76, "RSQRT", activation::rsqrt),
    (79, "ARG_MIN", shape::arg_min),
    (82, "REDUCE_MAX", reduce::max),
    (83, "PACK", view::pack),
    (88, "UNPACK", view::unpack),
    (89, "REDUCE_MIN", reduce::min),
    (97, "RESIZE_NEAREST_NEIGHBOR", take::resize_nearest),
    (98, "LEAKY_RELU", activation::leaky_relu),
    (99, "SQUARED_DIFFERENCE", eltwise::squared_difference),
    (100, "MIRROR_PAD", take::mirror_pad),
    (101, "ABS", activation::abs),
    (102, "SPLIT_V", view::split_v),
    (111, "ELU", activation::elu),
    (114, "QUANTIZE", activation::quantize),
    (117, "HARD_SWISH", activation::hard_swish),
    (126, "BATCH_MATMUL", matrix::batch_matmul),
    (129, "CALL_ONCE", state::call_once),
    (142, "VAR_HANDLE", state::var_handle),
    (143, "READ_VARIABLE", state::read_variable),
    (144, "ASSIGN_VARIABLE", state::assign_variable),
];

/// The operator's name in the schema, or its number.
pub(super) fn name(operator: &Operator<'_>) -> String {
    match OPERATORS.iter().find(|(code, ..)| *code == operator.code) {
        Some((_, name, _)) => (*name).to_owned(),
        None if operator.code == 32 => format!("custom {}", operator.custom),
        None => format!("builtin operator {}", operator.code),
    }
}

/// Appends the steps that an operator needs.
pub(super) fn convert(conversion: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let Some((_, _, convert)) = OPERATORS.iter().find(|(code, ..)| *code == operator.code) else {
        let known: Vec<&str> = OPERATORS.iter().map(|(_, name, _)| *name).collect();
        bail!("it is not supported; supported are {}", known.join(", "));
    };
    let inputs = operator.inputs.iter().filter_map(|&input| usize::try_from(input).ok());
    for index in inputs.chain(operator.outputs.iter().copied()) {
        let tensor = conversion.tensor(index);
        // Only shapes and axes may be empty lists.
        let is_list = matches!(tensor.dtype, Type::I32 | Type::I64);
        ensure!(is_list || tensor.elements() > 0, "\"{}\" has shape {:?}: no element", tensor.name, tensor.shape);
    }
    convert(conversion, operator)
}

/// The range that a fused activation leaves: `CalculateActivationRangeQuantized` of LiteRT.
fn clamp(activation: i8, output: Quant) -> Result<Clamp> {
    let quantize = |real: f32| output.zero_point.saturating_add((real / output.scale).round() as i32);
    let (low, high) = match activation {
        0 => (i32::from(i8::MIN), i32::from(i8::MAX)),
        1 => (quantize(0.0), i32::from(i8::MAX)),
        2 => (quantize(-1.0), quantize(1.0)),
        3 => (quantize(0.0), quantize(6.0)),
        4 => bail!("fused tanh is not supported"),
        other => bail!("fused activation {other} is not supported"),
    };
    Ok(Clamp { min: low.clamp(-128, 127) as i8, max: high.clamp(-128, 127) as i8 })
}

/// A step with one input and one output, both tensors of the file.
fn unary(conversion: &mut Conversion<'_>, operator: &Operator<'_>, op: Op) -> Result<()> {
    let x = conversion.value(operator.input(0)?)?;
    conversion.push(operator.output()?, op, &[x])
}
