//! Digits that look handwritten, made from strokes: a data set that needs no download.
//!
//! Each digit is a few strokes through control points. A sample moves every point by chance, slants, turns, stretches and
//! shifts the whole, draws it as a smooth curve with a pen of random width, and adds noise: 28 × 28 gray values, 0 to 255.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Dataset, Targets};

const SIDE: usize = 28;

type Point = [f32; 2];

/// Control points as (x, y) in a square of side 1, y down. A digit may be written in more than one way.
const STYLES: [&[&[&[Point]]]; 10] = [
    &[&[&[[0.5, 0.0], [0.15, 0.2], [0.1, 0.6], [0.35, 1.0], [0.7, 0.95], [0.9, 0.55], [0.8, 0.15], [0.45, 0.0]]]],
    &[&[&[[0.5, 0.0], [0.5, 0.5], [0.48, 1.0]]], &[&[[0.25, 0.25], [0.55, 0.0], [0.55, 0.5], [0.53, 1.0]]]],
    &[&[
        &[[0.15, 0.25], [0.35, 0.02], [0.75, 0.1], [0.75, 0.4], [0.4, 0.75], [0.1, 1.0]],
        &[[0.1, 1.0], [0.5, 0.97], [0.9, 1.0]],
    ]],
    &[&[
        &[[0.15, 0.12], [0.5, 0.0], [0.8, 0.2], [0.65, 0.42], [0.4, 0.48]],
        &[[0.4, 0.48], [0.75, 0.58], [0.8, 0.85], [0.45, 1.0], [0.1, 0.88]],
    ]],
    &[
        &[
            &[[0.3, 0.0], [0.2, 0.3], [0.12, 0.58]],
            &[[0.12, 0.58], [0.5, 0.6], [0.92, 0.56]],
            &[[0.72, 0.1], [0.7, 0.55], [0.66, 1.0]],
        ],
        &[
            &[[0.62, 0.0], [0.35, 0.32], [0.08, 0.66]],
            &[[0.08, 0.66], [0.5, 0.66], [0.95, 0.64]],
            &[[0.64, 0.0], [0.64, 0.5], [0.62, 1.0]],
        ],
    ],
    &[&[
        &[[0.82, 0.02], [0.5, 0.03], [0.25, 0.04]],
        &[[0.25, 0.04], [0.22, 0.25], [0.2, 0.45]],
        &[[0.2, 0.45], [0.55, 0.38], [0.85, 0.65], [0.6, 0.98], [0.12, 0.92]],
    ]],
    &[&[&[[0.7, 0.0], [0.35, 0.25], [0.15, 0.65], [0.35, 0.98], [0.75, 0.92], [0.8, 0.65], [0.5, 0.52], [0.2, 0.68]]]],
    &[
        &[&[[0.1, 0.04], [0.5, 0.03], [0.9, 0.02]], &[[0.9, 0.02], [0.6, 0.45], [0.4, 1.0]]],
        &[
            &[[0.1, 0.04], [0.5, 0.03], [0.88, 0.02]],
            &[[0.88, 0.02], [0.6, 0.45], [0.4, 1.0]],
            &[[0.3, 0.5], [0.55, 0.5], [0.8, 0.48]],
        ],
    ],
    &[&[&[
        [0.75, 0.12],
        [0.4, 0.0],
        [0.2, 0.2],
        [0.5, 0.45],
        [0.82, 0.75],
        [0.5, 1.0],
        [0.15, 0.8],
        [0.45, 0.5],
        [0.8, 0.25],
        [0.72, 0.08],
    ]]],
    &[&[
        &[[0.8, 0.3], [0.6, 0.02], [0.22, 0.12], [0.2, 0.4], [0.5, 0.5], [0.8, 0.28]],
        &[[0.8, 0.25], [0.76, 0.6], [0.6, 1.0]],
    ]],
];

/// Makes `count` samples, the classes in turn.
pub(super) fn generate(count: usize, seed: u64) -> Dataset {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut inputs = Vec::with_capacity(count * SIDE * SIDE);
    let labels: Vec<usize> = (0..count).map(|index| index % 10).collect();
    for &label in &labels {
        inputs.extend(draw(label, &mut rng));
    }
    Dataset {
        shape: vec![SIDE, SIDE, 1],
        inputs,
        targets: Targets::Classes(labels),
        classes: (0..10).map(|digit| digit.to_string()).collect(),
        range: Some([0.0, 255.0]),
        lengths: vec![],
    }
}

fn draw(digit: usize, rng: &mut StdRng) -> Vec<f32> {
    let styles = STYLES[digit];
    let strokes = styles[rng.random_range(0..styles.len())];
    let hand = Hand::new(rng);
    let mut segments = Vec::new();
    for stroke in strokes {
        let points: Vec<Point> = stroke.iter().map(|&point| hand.place(jitter(point, rng))).collect();
        let curve = smooth(&points);
        segments.extend(curve.windows(2).map(|pair| [pair[0], pair[1]]));
    }
    let noise = rng.random_range(0.0..18.0f32);
    let ink = rng.random_range(190.0..255.0f32);
    (0..SIDE * SIDE)
        .map(|pixel| {
            let at = [(pixel % SIDE) as f32, (pixel / SIDE) as f32];
            let distance = segments.iter().map(|segment| distance(at, *segment)).fold(f32::MAX, f32::min);
            let value = ink * (hand.pen + 0.5 - distance).clamp(0.0, 1.0);
            (value + noise * (rng.random::<f32>() + rng.random::<f32>() - 1.0)).round().clamp(0.0, 255.0)
        })
        .collect()
}

/// How one sample is written.
struct Hand {
    /// From the unit square to pixels.
    matrix: [Point; 2],
    center: Point,
    /// Half of the width of the pen, in pixels.
    pen: f32,
}

impl Hand {
    fn new(rng: &mut StdRng) -> Self {
        let (sin, cos) = rng.random_range(-0.22..0.22f32).sin_cos();
        let slant = rng.random_range(-0.15..0.4f32);
        let (width, height) = (rng.random_range(11.0..17.0f32), rng.random_range(16.0..21.0f32));
        Self {
            matrix: [[cos * width, -(sin + slant) * height], [sin * width, cos * height]],
            center: [rng.random_range(11.5..15.5), rng.random_range(12.0..15.0)],
            pen: rng.random_range(0.6..1.6),
        }
    }

    fn place(&self, [x, y]: Point) -> Point {
        let (x, y) = (x - 0.5, y - 0.5);
        let [[a, b], [c, d]] = self.matrix;
        [a * x + b * y + self.center[0], c * x + d * y + self.center[1]]
    }
}

fn jitter([x, y]: Point, rng: &mut StdRng) -> Point {
    [x + rng.random_range(-0.07..0.07), y + rng.random_range(-0.06..0.06)]
}

/// A Catmull-Rom spline through the points, eight pieces between two.
fn smooth(points: &[Point]) -> Vec<Point> {
    let at = |index: isize| points[index.clamp(0, points.len() as isize - 1) as usize];
    let mut curve = Vec::new();
    for i in 0..points.len() as isize - 1 {
        let [p0, p1, p2, p3] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
        for piece in 0..8 {
            let t = piece as f32 / 8.0;
            let axis = |k: usize| {
                let (a, b) = (2.0 * p1[k], p2[k] - p0[k]);
                let c = 2.0 * p0[k] - 5.0 * p1[k] + 4.0 * p2[k] - p3[k];
                let d = 3.0 * p1[k] - p0[k] - 3.0 * p2[k] + p3[k];
                0.5 * (a + b * t + c * t * t + d * t * t * t)
            };
            curve.push([axis(0), axis(1)]);
        }
    }
    curve.extend(points.last());
    curve
}

/// From a point to a line segment.
fn distance([x, y]: Point, [[x0, y0], [x1, y1]]: [Point; 2]) -> f32 {
    let (dx, dy) = (x1 - x0, y1 - y0);
    let length = (dx * dx + dy * dy).max(1e-9);
    let t = (((x - x0) * dx + (y - y0) * dy) / length).clamp(0.0, 1.0);
    (x - x0 - t * dx).hypot(y - y0 - t * dy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_writes_the_same_digits() {
        assert_eq!(generate(20, 3), generate(20, 3));
        assert_ne!(generate(20, 3), generate(20, 4));
    }

    #[test]
    fn every_digit_has_ink_and_paper() {
        let set = generate(200, 5);
        for index in 0..set.len() {
            let ink = set.sample(index).iter().filter(|&&value| value > 128.0).count();
            assert!((15..350).contains(&ink), "sample {index} has {ink} dark pixels");
        }
    }
}
