//! The operators, a file per family.

mod activation;
mod channels;
mod convolution;
mod curve;
mod eltwise;
pub(super) mod lstm;
mod matrix;
mod names;
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
use super::schema::{Operator, Tensor};
use crate::quantize::Quant;
pub(super) use curve::{Curve, materialize};
use names::NAMES;
pub(super) use shape::axis;
pub(super) use view::{Strided, slice_view, strided_slice_view, transpose_view};

/// How an operator is translated.
type Convert = fn(&mut Conversion<'_>, &Operator<'_>) -> Result<()>;

/// Code and translation of what is supported; [`NAMES`] has the names.
const OPERATORS: &[(i32, Convert)] = &[
    (0, eltwise::add),
    (1, pool::average),
    (2, shape::concatenation),
    (3, convolution::conv2d),
    (4, convolution::depthwise),
    (5, view::depth_to_space),
    (6, curve::dequantize),
    (7, take::embedding_lookup),
    (9, convolution::fully_connected),
    (14, activation::logistic),
    (17, pool::max),
    (18, eltwise::mul),
    (19, activation::relu),
    (20, activation::relu),
    (21, activation::relu),
    (22, shape::reshape),
    (23, matrix::resize_bilinear),
    (25, softmax::softmax),
    (26, view::space_to_depth),
    (27, state::svdf),
    (28, activation::tanh),
    (34, shape::pad),
    (36, take::gather),
    (37, view::batch_to_space),
    (38, view::space_to_batch),
    (39, view::transpose),
    (40, reduce::mean),
    (41, eltwise::sub),
    (43, shape::reshape),
    (44, lstm::lstm),
    (45, view::strided_slice),
    (47, activation::exp),
    (49, view::split),
    (50, softmax::log_softmax),
    (54, eltwise::prelu),
    (55, eltwise::maximum),
    (56, shape::arg_max),
    (57, eltwise::minimum),
    (59, activation::neg),
    (60, shape::pad),
    (65, view::slice),
    (67, convolution::transpose_conv),
    (69, take::tile),
    (70, shape::reshape),
    (73, activation::log),
    (74, reduce::sum),
    (75, activation::sqrt),
    (76, activation::rsqrt),
    (79, shape::arg_min),
    (82, reduce::max),
    (83, view::pack),
    (88, view::unpack),
    (89, reduce::min),
    (97, take::resize_nearest),
    (98, activation::leaky_relu),
    (99, eltwise::squared_difference),
    (100, take::mirror_pad),
    (101, activation::abs),
    (102, view::split_v),
    (105, view::reverse),
    (111, activation::elu),
    (114, activation::quantize),
    (117, activation::hard_swish),
    (126, matrix::batch_matmul),
    (129, state::call_once),
    (142, state::var_handle),
    (143, state::read_variable),
    (144, state::assign_variable),
    (150, activation::gelu_table),
];

/// The operator's name in the schema.
pub(super) fn name(operator: &Operator<'_>) -> String {
    match usize::try_from(operator.code).ok().and_then(|code| NAMES.get(code)) {
        _ if operator.code == 32 => format!("custom {}", operator.custom),
        Some(&name) => name.to_owned(),
        None => format!("builtin operator {}", operator.code),
    }
}

/// Where an operator is, for an error.
pub(super) fn place(operator: &Operator<'_>, tensors: &[Tensor<'_>]) -> String {
    let output = operator.outputs.first().map_or("", |&output| tensors[output].name.as_str());
    format!("operator {} ({}, \"{output}\")", operator.number, name(operator))
}

/// Appends the steps that an operator needs.
pub(super) fn convert(conversion: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let convert = OPERATORS.iter().find(|(code, _)| *code == operator.code).map(|&(_, convert)| convert);
    if curve::convert(conversion, operator, convert.unwrap_or(refuse))? {
        return Ok(());
    }
    let Some(convert) = convert else { return refuse(conversion, operator) };
    let inputs = operator.inputs.iter().filter_map(|&input| usize::try_from(input).ok());
    for index in inputs.chain(operator.outputs.iter().copied()) {
        let tensor = conversion.tensor(index);
        // Only shapes, axes and parts of a split may be empty lists.
        let is_list = tensor.dtype.is_integer() || operator.code == SPLIT_V;
        ensure!(is_list || tensor.elements() > 0, "\"{}\" has shape {:?}: no element", tensor.name, tensor.shape);
    }
    convert(conversion, operator)
}

fn refuse(_: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    bail!("{}", unsupported(operator.code))
}

const SPLIT_V: i32 = 102;

/// What can be done about an operator that is not supported.
fn unsupported(code: i32) -> String {
    match code {
        32 => "custom operators are not supported: build the model of built-in ones".to_owned(),
        51 => "the file was made for one accelerator: import the .tflite from before it was compiled".to_owned(),
        118 | 119 => "control flow is not supported: convert recurrent layers with a batch of 1, so that they become \
                      UNIDIRECTIONAL_SEQUENCE_LSTM, or unroll them (`unroll=True` in Keras)"
            .to_owned(),
        _ => {
            let known: Vec<&str> =
                OPERATORS.iter().filter_map(|(code, _)| NAMES.get(*code as usize).copied()).collect();
            format!("it is not supported; supported are {}", known.join(", "))
        }
    }
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
