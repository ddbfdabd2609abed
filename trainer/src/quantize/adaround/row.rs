//! One output channel: which of its weights are rounded up.
//!
//! With `r = ⌊w⌋ + h − w` the change of the weights, in steps, the error of the outputs is `rᵀ H r`, `H = E[x xᵀ]`. `h` of each weight
//! goes from `w − ⌊w⌋` to 0 or 1: `h(v) = clamp(1.2 · σ(v) − 0.1, 0, 1)`, and `Σ (1 − |2h − 1|^β)` is made small along with the
//! error, at first hardly (`β = 20`), at last as a parabola (`β = 2`).

/// Steps of Adam, and how far each goes at most.
const STEPS: usize = 1000;
const RATE: f64 = 0.02;
/// Weight of the second term; the error of rounding to nearest counts as one for each weight.
const REGULARIZATION: f64 = 5.0;
/// Share of the steps in which only the error counts.
const WARM_UP: f64 = 0.2;

/// The error of a change of the weights.
pub(super) fn error(gram: &[f32], change: &[f32]) -> f64 {
    product(gram, change).iter().zip(change).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// `H r`; `H` is symmetric.
fn product(gram: &[f32], change: &[f32]) -> Vec<f32> {
    let mut sums = vec![0f32; change.len()];
    for (row, &change) in gram.chunks_exact(change.len()).zip(change) {
        sums.iter_mut().zip(row).for_each(|(sum, &h)| *sum += h * change);
    }
    sums
}

/// Rounds `weights`, in steps, for inputs with these second moments; to the nearest where nothing is gained.
pub(super) fn round(gram: &[f32], weights: &[f32]) -> Vec<f32> {
    let nearest: Vec<f32> = weights.iter().map(|w| w.round()).collect();
    let change = |rounded: &[f32]| rounded.iter().zip(weights).map(|(q, w)| q - w).collect::<Vec<_>>();
    let before = error(gram, &change(&nearest));
    if before <= 0.0 {
        return nearest;
    }
    let learned = learn(gram, weights, before);
    if error(gram, &change(&learned)) < before { learned } else { nearest }
}

fn learn(gram: &[f32], weights: &[f32], before: f64) -> Vec<f32> {
    let mut all: Vec<Weight> = weights.iter().map(|&weight| Weight::new(weight)).collect();
    let unit = weights.len() as f64 / before;
    for step in 0..STEPS {
        let change: Vec<f32> = all.iter().map(|weight| (weight.up() - weight.rest) as f32).collect();
        let products = product(gram, &change);
        let sharpness = sharpness(step);
        let rates = [1.0 - 0.9f64.powi(step as i32 + 1), 1.0 - 0.999f64.powi(step as i32 + 1)];
        for (weight, product) in all.iter_mut().zip(products) {
            weight.step(2.0 * f64::from(product) * unit, sharpness, rates);
        }
    }
    all.iter().map(Weight::rounded).collect()
}

/// `β`; `None` while only the error counts.
fn sharpness(step: usize) -> Option<f64> {
    let gone = step as f64 / STEPS as f64;
    (gone >= WARM_UP).then(|| 2.0 + 18.0 * (1.0 - gone) / (1.0 - WARM_UP))
}

/// One weight on its way.
struct Weight {
    floor: f64,
    rest: f64,
    v: f64,
    /// Adam's moments.
    moments: [f64; 2],
}

impl Weight {
    fn new(weight: f32) -> Self {
        let weight = f64::from(weight);
        // A whole number but for rounding has nowhere to go.
        let floor = if (weight - weight.round()).abs() < 1e-4 { weight.round() } else { weight.floor() };
        let rest = (weight - floor).max(0.0);
        let share = ((rest + 0.1) / 1.2).clamp(1e-3, 1.0 - 1e-3);
        Self { floor, rest, v: (share / (1.0 - share)).ln(), moments: [0.0; 2] }
    }

    fn raw(&self) -> f64 {
        1.2 / (1.0 + (-self.v).exp()) - 0.1
    }

    fn up(&self) -> f64 {
        self.raw().clamp(0.0, 1.0)
    }

    fn step(&mut self, error: f64, sharpness: Option<f64>, [first, second]: [f64; 2]) {
        let (raw, from_middle) = (self.raw(), 2.0 * self.up() - 1.0);
        let towards = |sharpness: f64| {
            2.0 * REGULARIZATION * sharpness * from_middle.abs().powf(sharpness - 1.0) * from_middle.signum()
        };
        let sigmoid = (raw + 0.1) / 1.2;
        let slope = if (0.0..=1.0).contains(&raw) { 1.2 * sigmoid * (1.0 - sigmoid) } else { 0.0 };
        let gradient = (error - sharpness.map_or(0.0, towards)) * slope;
        self.moments[0] = 0.9 * self.moments[0] + 0.1 * gradient;
        self.moments[1] = 0.999 * self.moments[1] + 0.001 * gradient * gradient;
        self.v -= RATE * (self.moments[0] / first) / ((self.moments[1] / second).sqrt() + 1e-8);
    }

    fn rounded(&self) -> f32 {
        if self.rest == 0.0 {
            return self.floor as f32;
        }
        (self.floor + self.up().round()).clamp(-127.0, 127.0) as f32
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Second moments of rectified mixtures of a few numbers, as layers see them.
    fn moments(taps: usize, rng: &mut StdRng) -> Vec<f32> {
        let mix: Vec<f32> = (0..taps * taps / 6).map(|_| rng.random_range(-1.0..1.0)).collect();
        let mut moments = vec![0f32; taps * taps];
        for _ in 0..500 {
            let sources: Vec<f32> = (0..taps / 6).map(|_| rng.random_range(-1.0..1.0)).collect();
            let mixed =
                |tap: usize| sources.iter().zip(&mix[tap * taps / 6..]).map(|(s, m)| s * m).sum::<f32>().max(0.0);
            let window: Vec<f32> = (0..taps).map(mixed).collect();
            let pairs = window.iter().flat_map(|x| window.iter().map(move |y| x * y));
            moments.iter_mut().zip(pairs).for_each(|(sum, product)| *sum += product);
        }
        moments
    }

    #[test]
    fn outputs_are_nearer_than_with_weights_rounded_to_the_nearest() {
        let mut rng = StdRng::seed_from_u64(5);
        for _ in 0..4 {
            let moments = moments(72, &mut rng);
            let weights: Vec<f32> = (0..72).map(|_| rng.random_range(-127.0..127.0)).collect();
            let change = |rounded: &[f32]| rounded.iter().zip(&weights).map(|(q, w)| q - w).collect::<Vec<_>>();
            let rounded = round(&moments, &weights);
            assert!(change(&rounded).iter().all(|change| change.abs() < 1.0));
            assert!(rounded.iter().all(|q| q.fract() == 0.0 && q.abs() <= 127.0));
            let nearest: Vec<f32> = weights.iter().map(|w| w.round()).collect();
            let share = error(&moments, &change(&rounded)) / error(&moments, &change(&nearest));
            println!("{share:.3} of the error");
            assert!(share < 0.5, "{share}");
        }
    }

    #[test]
    fn whole_weights_and_dead_inputs_stay() {
        assert_eq!(round(&[1.0, 0.5, 0.5, 1.0], &[127.0, -3.0]), [127.0, -3.0]);
        assert_eq!(round(&[0.0; 4], &[1.4, -1.6]), [1.0, -2.0]);
    }
}
