//! What a model answers, in the units of its outputs, for people to read.

use thumbnet::Model;
use thumbnet::format::{DType, Tensor};

/// Inferences that are printed; the rest is in the file of outputs.
const INFERENCES: usize = 10;
/// Classes, or values, that are printed of an output.
const VALUES: usize = 5;

/// Prints the answers of the first inferences, whose raw outputs lie back to back in `bytes`.
pub fn print(model: &Model<'_>, bytes: &[u8]) {
    let outputs: Vec<Tensor> = (0..model.output_count()).filter_map(|i| model.output(i)).collect();
    let labels: Vec<&str> = model.info().labels.iter().collect();
    let len: usize = outputs.iter().map(byte_len).sum();
    let inferences = bytes.chunks_exact(len.max(1));
    let left = inferences.len().saturating_sub(INFERENCES);
    for (number, mut bytes) in inferences.take(INFERENCES).enumerate() {
        let answers = outputs.iter().map(|tensor| {
            let (own, rest) = bytes.split_at(byte_len(tensor));
            bytes = rest;
            answer(&numbers(tensor, own), &labels)
        });
        println!("inference {number}: {}", answers.collect::<Vec<_>>().join("; "));
    }
    if left > 0 {
        println!("and {left} more: --output writes all of them to a file");
    }
}

fn byte_len(tensor: &Tensor) -> usize {
    tensor.shape().iter().map(|&len| len as usize).product::<usize>() * tensor.dtype.size()
}

/// The best classes where there is one number for each, the first numbers otherwise.
fn answer(numbers: &[f32], labels: &[&str]) -> String {
    let is_classifier = labels.len() == numbers.len() && labels.len() > 1;
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    if is_classifier {
        order.sort_by(|&a, &b| numbers[b].total_cmp(&numbers[a]));
    }
    let one =
        |&i: &usize| if is_classifier { format!("{} {:.3}", labels[i], numbers[i]) } else { format!("{}", numbers[i]) };
    let shown: Vec<String> = order.iter().take(VALUES).map(one).collect();
    let rest = match order.iter().max_by(|&&a, &&b| numbers[a].total_cmp(&numbers[b])) {
        Some(largest) if numbers.len() > VALUES && !is_classifier => format!(", …, the largest is number {largest}"),
        _ if numbers.len() > VALUES => ", …".to_owned(),
        _ => String::new(),
    };
    format!("{}{rest}", shown.join(", "))
}

/// `scale · (q − zero_point)`, or the numbers as they are.
fn numbers(tensor: &Tensor, bytes: &[u8]) -> Vec<f32> {
    let real = |q: i32| tensor.scale * (q - tensor.zero_point) as f32;
    let words = || bytes.as_chunks::<4>().0.iter();
    match tensor.dtype {
        DType::I8 => bytes.iter().map(|&q| real(q.cast_signed().into())).collect(),
        DType::U8 => bytes.iter().map(|&q| real(q.into())).collect(),
        DType::I16 => bytes.as_chunks::<2>().0.iter().map(|&q| real(i16::from_le_bytes(q).into())).collect(),
        DType::I32 => words().map(|&q| i32::from_le_bytes(q) as f32).collect(),
        DType::F32 => words().map(|&x| f32::from_le_bytes(x)).collect(),
    }
}
