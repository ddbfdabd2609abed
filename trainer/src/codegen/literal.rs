//! Arguments of kernels as Rust expressions.

use std::collections::HashMap;
use std::fmt::Debug;

use bytemuck::NoUninit;
use thumbnet::compiled::Call;
use thumbnet::fixed::Rounding;
use thumbnet::format::{BinaryFunction, PcenParams, ReduceFunction};
use thumbnet::kernels::{
    Accumulate, Add, Affine, Binary, Broadcast, Cell, Channel, Clamp, Conv2d, FullyConnected, Layout, Lstm, MatMul,
    Motion, Mul, Pool, Recurrent, Reduce, Requantize, Resize, Scale, Softmax, Spectrogram, Sum, Svdf, View, Window,
};

/// Statics that are taken from the model file, each once.
pub struct Tables<'m> {
    file: &'m [u8],
    names: HashMap<(usize, usize, &'static str), String>,
    /// Their declarations.
    pub statics: String,
    /// Bytes of all of them.
    pub len: usize,
}

impl<'m> Tables<'m> {
    pub fn new(file: &'m [u8]) -> Self {
        Self { file, names: HashMap::new(), statics: String::new(), len: 0 }
    }

    /// A reference to a part of the file, for which it makes a static where there is none.
    pub fn add<T: Element>(&mut self, part: &[T]) -> String {
        if part.is_empty() {
            return "&[]".to_owned();
        }
        let at = part.as_ptr() as usize - self.file.as_ptr() as usize;
        let number = self.names.len();
        let (statics, len) = (&mut self.statics, &mut self.len);
        let name = self.names.entry((at, part.len(), T::NAME)).or_insert_with(|| {
            let (name, bytes) = (format!("TABLE_{number}"), size_of_val(part));
            let ty = format!("[{}; {}]", T::NAME, part.len());
            statics.push_str(&format!("static {name}: Aligned<{ty}> = table::<{bytes}, _, _>(FILE, {at});\n"));
            *len += bytes;
            name
        });
        format!("&{name}.0")
    }
}

/// What tables have.
pub trait Element: NoUninit {
    const NAME: &'static str;
}

macro_rules! elements {
    ($($ty:ty = $name:literal),*) => { $(impl Element for $ty { const NAME: &'static str = $name; })* };
}

elements!(
    u8 = "u8",
    i8 = "i8",
    i16 = "i16",
    u16 = "u16",
    i32 = "i32",
    [i16; 2] = "[i16; 2]",
    [u16; 2] = "[u16; 2]",
    Channel = "thumbnet::kernels::Channel"
);

/// A value as an expression.
trait Literal {
    fn literal(&self, tables: &mut Tables<'_>) -> String;
}

macro_rules! plain {
    ($($ty:ty),*) => { $(impl Literal for $ty { fn literal(&self, _: &mut Tables<'_>) -> String { format!("{self:?}") } })* };
}

plain!(bool, i8, i16, i32, isize, u32, usize, f32);

/// Enums without fields, which print as the name of their variant.
macro_rules! paths {
    ($($ty:ident = $path:literal),*) => {
        $(impl Literal for $ty { fn literal(&self, _: &mut Tables<'_>) -> String { path($path, self) } })*
    };
}

paths!(
    Rounding = "thumbnet::fixed::Rounding",
    Layout = "thumbnet::kernels::Layout",
    Cell = "thumbnet::kernels::Cell",
    BinaryFunction = "thumbnet::format::BinaryFunction",
    ReduceFunction = "thumbnet::format::ReduceFunction"
);

fn path(path: &str, variant: &dyn Debug) -> String {
    format!("{path}::{variant:?}")
}

impl<T: Literal, const N: usize> Literal for [T; N] {
    fn literal(&self, tables: &mut Tables<'_>) -> String {
        let all: Vec<String> = self.iter().map(|value| value.literal(tables)).collect();
        format!("[{}]", all.join(", "))
    }
}

impl<T: Element> Literal for &[T] {
    fn literal(&self, tables: &mut Tables<'_>) -> String {
        tables.add(self)
    }
}

/// Structs with all their fields: one that is new does not compile until it is named here.
macro_rules! structs {
    ($($ty:ty, $name:ident { $($field:ident),* };)*) => {
        $(impl Literal for $ty {
            fn literal(&self, tables: &mut Tables<'_>) -> String {
                let $name { $($field),* } = self;
                let fields = [$(format!("{}: {}", stringify!($field), $field.literal(tables))),*];
                format!("thumbnet::kernels::{} {{ {} }}", stringify!($name), fields.join(", "))
            }
        })*
    };
}

structs! {
    Window, Window { size, stride, dilation, pad };
    Clamp, Clamp { min, max };
    Scale, Scale { multiplier, shift };
    Conv2d<'_>, Conv2d {
        input, output, window, input_zero_point, output_zero_point, clamp, rounding, layout, weights, channels,
        right_shifts
    };
    FullyConnected<'_>, FullyConnected {
        rows, inputs, outputs, input_zero_point, output_zero_point, clamp, rounding, layout, weights, channels
    };
    Accumulate<'_>, Accumulate { input_zero_point, weights };
    Requantize<'_>, Requantize { output_zero_point, clamp, rounding, channels };
    Pool, Pool { input, output, window, clamp };
    Add, Add { input_zero_points, output_zero_point, left_shift, inputs, output, clamp };
    Sum, Sum { args, affine };
    Affine, Affine { factors, constant };
    Mul, Mul { input_zero_points, output_zero_point, scale, rounding, clamp };
    Broadcast, Broadcast { output, inputs };
    Softmax<'_>, Softmax { row, scale, diff_min, exponentials };
    Binary, Binary { function, args };
    View, View { shape, offset, strides };
    Reduce, Reduce { count, inner, input_zero_point, output_zero_point, scale, rounding };
    Resize, Resize { input, output, align_corners, half_pixel_centers };
    MatMul, MatMul { size, input_zero_points, output_zero_point, scale, rounding, clamp };
    Recurrent<'_>, Recurrent {
        cell, reverse, last_only, time, inputs, cells, layout, memory_fraction, input_weights, recurrent_weights,
        input_channels, recurrent_channels
    };
    Spectrogram<'_>, Spectrogram {
        samples, frames, hop, log2, floor, pcen, zero_point, window, twiddles, bands, weights, coefficients, channels
    };
    Motion<'_>, Motion {
        rows, axes, frames, window, hop, statistics, log2, floor, zero_point, factors, twiddles, bands, weights, channels
    };
    Lstm<'_>, Lstm {
        time, inputs, cells, layout, input_zero_point, hidden_zero_point, hidden_offset, cell_fraction, clip, input_scales,
        recurrent_scales, hidden, input_weights, recurrent_weights, biases
    };
    Svdf<'_>, Svdf {
        inputs, units, rank, memory, input_zero_point, output_zero_point, feature, output, feature_weights,
        time_weights, biases
    };
}

impl Literal for Option<PcenParams> {
    fn literal(&self, _: &mut Tables<'_>) -> String {
        // As it prints, it is the expression, but for the path.
        self.map_or("None".to_owned(), |p| format!("Some(thumbnet::format::{p:?})"))
    }
}

impl Literal for Option<Affine> {
    fn literal(&self, tables: &mut Tables<'_>) -> String {
        self.map_or("None".to_owned(), |affine| format!("Some({})", affine.literal(tables)))
    }
}

/// A bound step as an expression.
pub fn call(call: &Call<'_>, t: &mut Tables<'_>) -> String {
    let of = |name: &str, arguments: &[String]| format!("Call::{name}({})", arguments.join(", "));
    match call {
        Call::Quantize { scale, zero_point } => {
            format!("Call::Quantize {{ scale: {scale:?}, zero_point: {zero_point} }}")
        }
        Call::Dequantize { scale, zero_point } => {
            format!("Call::Dequantize {{ scale: {scale:?}, zero_point: {zero_point} }}")
        }
        Call::Conv2d(p) => of("Conv2d", &[p.literal(t)]),
        Call::Depthwise(p) => of("Depthwise", &[p.literal(t)]),
        Call::TransposeConv(p) => of("TransposeConv", &[p.literal(t)]),
        Call::FullyConnected(p) => of("FullyConnected", &[p.literal(t)]),
        Call::Accumulate(p) => of("Accumulate", &[p.literal(t)]),
        Call::Requantize(p) => of("Requantize", &[p.literal(t)]),
        Call::MaxPool(p) => of("MaxPool", &[p.literal(t)]),
        Call::AveragePool(p) => of("AveragePool", &[p.literal(t)]),
        Call::Add(p, shapes) => of("Add", &[p.literal(t), shapes.literal(t)]),
        Call::Mul(p, shapes) => of("Mul", &[p.literal(t), shapes.literal(t)]),
        Call::Binary(p, shapes) => of("Binary", &[p.literal(t), shapes.literal(t)]),
        Call::Concat { outer } => format!("Call::Concat {{ outer: {outer} }}"),
        Call::Pad { input, before, output, value } => {
            format!("Call::Pad {{ input: {input:?}, before: {before:?}, output: {output:?}, value: {value} }}")
        }
        Call::Reshape => "Call::Reshape".to_owned(),
        Call::Softmax(p) => of("Softmax", &[p.literal(t)]),
        Call::LogSoftmax(p) => of("LogSoftmax", &[p.literal(t)]),
        Call::Lookup(table) => of("Lookup", &[t.add(table.as_slice())]),
        Call::ArgMax { row } => format!("Call::ArgMax {{ row: {row} }}"),
        Call::Lstm(p) => of("Lstm", &[p.literal(t)]),
        Call::LstmFrom(p) => of("LstmFrom", &[p.literal(t)]),
        Call::Recurrent(p) => of("Recurrent", &[p.literal(t)]),
        Call::RecurrentUpTo(p) => of("RecurrentUpTo", &[p.literal(t)]),
        Call::MaxPoolUpTo(p) => of("MaxPoolUpTo", &[p.literal(t)]),
        Call::AveragePoolUpTo(p) => of("AveragePoolUpTo", &[p.literal(t)]),
        Call::RecurrentFrom(p) => of("RecurrentFrom", &[p.literal(t)]),
        Call::Spectrogram(p) => of("Spectrogram", &[p.literal(t)]),
        Call::SpectrogramFrom(p) => of("SpectrogramFrom", &[p.literal(t)]),
        Call::Motion(p) => of("Motion", &[p.literal(t)]),
        Call::MotionFrom(p) => of("MotionFrom", &[p.literal(t)]),
        Call::View(p) => of("View", &[p.literal(t)]),
        Call::Take { len, inner, indices } => {
            format!("Call::Take {{ len: {len}, inner: {inner}, indices: {} }}", t.add(indices))
        }
        Call::Reduce(function, p) => of("Reduce", &[function.literal(t), p.literal(t)]),
        Call::Resize(p) => of("Resize", &[p.literal(t)]),
        Call::MatMul(p) => of("MatMul", &[p.literal(t)]),
        Call::Svdf(p) => of("Svdf", &[p.literal(t)]),
        Call::Gather { len, inner, count } => format!("Call::Gather {{ len: {len}, inner: {inner}, count: {count} }}"),
    }
}
