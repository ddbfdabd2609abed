//! The proof that no accumulator can overflow, from the actual weights.

use anyhow::{Result, ensure};

/// What every kernel may rely on: no accumulator is larger.
pub(super) const LIMIT: i64 = (1 << 30) - 1;

/// The largest magnitude that the accumulator of one output channel can reach: `|bias| + max |x − zp| · Σ |w|`, also after the
/// requantization's shift to the left where it has one.
///
/// With `x` in −128..127, `|x − zp|` is at most `max(127 − zp, zp + 128)`.
pub(super) fn bound(weights: impl Iterator<Item = i8>, bias: i64, zero_point: i32, shift: i32) -> i64 {
    let sum: i64 = weights.map(|w| i64::from(w).abs()).sum();
    let most = i64::from((127 - zero_point).max(zero_point + 128));
    (bias.saturating_abs().saturating_add(sum * most)).saturating_mul(1 << shift.max(0))
}

/// Checks that the [`bound`] of one output channel is within [`LIMIT`].
pub(super) fn check(weights: impl Iterator<Item = i8>, bias: i64, zero_point: i32, shift: i32) -> Result<()> {
    let bound = bound(weights, bias, zero_point, shift);
    ensure!(
        bound <= LIMIT,
        "its accumulator could reach {bound}, at most {LIMIT} is possible: make the layer narrower, or train with l2"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn the_bound_is_exact() {
        // 255 · 127 · 33_000 is just below 2^30, one more weight of 127 and a bias that fills the rest are not.
        let weights = |count| std::iter::repeat_n(127i8, count);
        let rest = (1i64 << 30) - 1 - 255 * 127 * 33_000;
        assert!(check(weights(33_000), rest, 127, 0).is_ok());
        assert!(check(weights(33_000), -rest - 1, 127, 0).is_err());
        assert!(check(weights(33_000), 0, 127, 1).is_err(), "shifted left");
    }
}
