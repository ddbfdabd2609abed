//! Softmax with the approximate exponential.

use thumbnet::results;

#[test]
fn probabilities_are_close_to_those_of_f64() {
    let mut worst: f64 = 0.0;
    for scale in [0.01f32, 0.05, 0.1, 0.3] {
        for seed in 0..500i32 {
            let scores: [i8; 8] = std::array::from_fn(|i| ((seed * 7919 + i as i32 * 104_729) % 256 - 128) as i8);
            let mut found = [0.0; 8];
            results::softmax(scale, &scores, &mut found);
            let exps = scores.map(|q| (f64::from(scale) * f64::from(q)).exp());
            let sum: f64 = exps.iter().sum();
            let errors = found.iter().zip(exps).map(|(&found, exp)| (f64::from(found) - exp / sum).abs());
            worst = errors.fold(worst, f64::max);
        }
    }
    // micromath documents no bound; 1.2e-4 is the worst of these 16,000 values, and the documentation promises twice that.
    assert!(worst <= 2f64.powi(-12), "{worst}");
}
