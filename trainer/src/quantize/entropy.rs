//! Calibration by entropy: of the ranges that clip more and more of the tails, the one whose 256 values lose least of the
//! distribution.
//!
//! `KL(P ‖ Q) = Σ_i P_i · ln(P_i / Q_i)` over a histogram of 2,048 bins of the whole range: `P` is the clipped histogram, what
//! lies outside counted in its end bins; `Q` is the histogram inside after its bins were merged into 256 groups, each spread
//! evenly over those of its bins that are not empty. Source: Migacz, "8-bit inference with TensorRT", GTC 2017; here with
//! both ends scaled together, for ranges that are not symmetric.

const BINS: usize = 2048;
const LEVELS: usize = 256;

/// Ends of the range with the least divergence, of those that are a share of 30 % to 100 % of all that was seen.
pub(super) fn range(values: &[f32], [low, high]: [f32; 2]) -> [f32; 2] {
    if high <= low {
        return [low, high];
    }
    let width = f64::from(high) - f64::from(low);
    let mut histogram = vec![0f64; BINS];
    for &value in values {
        let bin = (f64::from(value) - f64::from(low)) / width * BINS as f64;
        histogram[(bin as usize).min(BINS - 1)] += 1.0;
    }
    // The bin that holds zero stays inside, whatever is cut.
    let zero = ((-f64::from(low) / width * BINS as f64) as usize).min(BINS);
    let ends = |share: f64| {
        let first = (zero as f64 * (1.0 - share)) as usize;
        let last = zero + ((BINS - zero) as f64 * share).ceil() as usize;
        (first, last.min(BINS))
    };
    let shares = (0..36).map(|step| 1.0 - 0.02 * f64::from(step));
    let best = shares.min_by(|&a, &b| divergence(&histogram, ends(a)).total_cmp(&divergence(&histogram, ends(b))));
    let share = best.unwrap_or(1.0) as f32;
    [low * share, high * share]
}

fn divergence(histogram: &[f64], (first, last): (usize, usize)) -> f64 {
    let inside = &histogram[first..last];
    let Some(end) = inside.len().checked_sub(1) else { return f64::INFINITY };
    let total: f64 = histogram.iter().sum();
    let mut clipped = inside.to_vec();
    clipped[0] += histogram[..first].iter().sum::<f64>();
    clipped[end] += histogram[last..].iter().sum::<f64>();
    let kept: f64 = inside.iter().sum();
    let mut sum = 0.0;
    for level in 0..LEVELS {
        let group = level * inside.len() / LEVELS..(level + 1) * inside.len() / LEVELS;
        let mass: f64 = inside[group.clone()].iter().sum();
        let filled = inside[group.clone()].iter().filter(|&&count| count > 0.0).count().max(1) as f64;
        for bin in group.filter(|&bin| clipped[bin] > 0.0) {
            let p = clipped[bin] / total;
            // An end bin that is empty inside has nothing to be explained by but what was cut.
            let q = if inside[bin] > 0.0 { mass / filled / kept } else { 1e-9 };
            sum += p * (p / q).ln();
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn a_lonely_outlier_is_cut_and_an_even_distribution_is_not() {
        let even: Vec<f32> = (0..100_000).map(|index| index as f32 / 100_000.0).collect();
        assert_eq!(range(&even, [0.0, 1.0]), [0.0, 1.0]);
        let outlier: Vec<f32> = even.iter().map(|x| x * x * x * 0.3).chain([1.0]).collect();
        let [low, high] = range(&outlier, [0.0, 1.0]);
        assert!(low == 0.0 && high < 0.5, "{low} {high}");
    }
}
