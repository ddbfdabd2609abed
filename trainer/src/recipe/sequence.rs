//! Words for sequences: a sequence is an image that is one pixel wide, so that `conv1d` is `conv2d` with a filter that is.

use anyhow::{Result, bail, ensure};
use toml::{Table, Value};

/// Operators of sequences, as recipes write them, and what they become.
pub(super) const NAMES: [(&str, &str); 7] = [
    ("conv1d", "conv2d"),
    ("depthwise_conv1d", "depthwise_conv2d"),
    ("max_pool1d", "max_pool2d"),
    ("average_pool1d", "average_pool2d"),
    ("global_max_pool1d", "global_max_pool2d"),
    ("global_average_pool1d", "global_average_pool2d"),
    ("zero_pad1d", "zero_pad2d"),
];

/// Rewrites an operator of sequences as that of images; leaves all others alone.
///
/// Padding may be `"causal"` besides: `(kernel − 1) · dilation` zeros in front, so that no output sees what comes later.
pub(super) fn widen(mut table: Table) -> Result<Table> {
    let kind = table.get("op").and_then(Value::as_str).unwrap_or_default();
    let Some(&(name, image)) = NAMES.iter().find(|(name, _)| *name == kind) else { return Ok(table) };
    table.insert("op".into(), image.into());
    if name.ends_with("_pool1d") && !name.starts_with("global") {
        table.entry("size").or_insert(Value::Integer(2));
    }
    let reach = reach(&table);
    for key in ["kernel", "stride", "dilation", "size"] {
        if let Some(value) = table.get_mut(key) {
            let Value::Integer(along) = *value else { bail!("{key} must be one number, found {value}") };
            *value = Value::Array(vec![along.into(), 1.into()]);
        }
    }
    if let Some(padding) = table.get_mut("padding") {
        if padding.as_str() == Some("causal") {
            ensure!(name.contains("conv"), "a pool has no causal padding");
            *padding = explicit([reach, 0]);
        } else if let Some(pad) = two(padding.get("explicit")) {
            *padding = explicit(pad);
        }
    }
    if name == "zero_pad1d" {
        let pad = two(table.get("pad")).unwrap_or_default();
        table.insert("pad".into(), Value::Array([pad[0], pad[1], 0, 0].map(Value::Integer).to_vec()));
    }
    Ok(table)
}

/// What a filter sees in front of its last tap.
fn reach(table: &Table) -> i64 {
    let number = |key: &str, default| table.get(key).and_then(Value::as_integer).unwrap_or(default);
    (number("kernel", 1) - 1).max(0).saturating_mul(number("dilation", 1).max(1))
}

fn two(value: Option<&Value>) -> Option<[i64; 2]> {
    let [a, b] = value?.as_array()?.as_slice() else { return None };
    Some([a.as_integer()?, b.as_integer()?])
}

fn explicit([before, after]: [i64; 2]) -> Value {
    let pad = [before, after, 0, 0].map(Value::Integer).to_vec();
    Value::Table(Table::from_iter([("explicit".to_owned(), Value::Array(pad))]))
}
