//! The front end for motion sensors against f64, and the errors of its fields.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use realfft::RealFftPlanner;
use thumbnet_host_tests::sequences::motion;
use thumbnet_host_tests::tolerance;
use thumbnet_trainer::front_end::{DECIBELS, FrontEnd, Motion};

fn front_end(window: usize, hop: usize, bands: usize) -> Motion {
    let FrontEnd::Motion(motion) = motion() else { panic!() };
    Motion { window, hop, bands, ..motion }
}

/// Three axes, each with an offset as gravity has, a tone and noise, up to this amplitude.
fn shaken(rows: usize, amplitude: f64) -> Vec<i16> {
    let mut rng = StdRng::seed_from_u64(7);
    let axis = |n: usize, axis: usize, noise: f64| {
        let tone = (0.2 * n as f64 * (axis + 1) as f64).sin();
        amplitude * (0.3 * axis as f64 - 0.3 + 0.6 * tone + 0.1 * noise)
    };
    let sample = |index: usize| axis(index / 3, index % 3, rng.random_range(-1.0..1.0)).round() as i16;
    (0..3 * rows).map(sample).collect()
}

/// The window of an axis, zeros before the first row.
fn window(motion: &Motion, x: &[i16], frame: usize, axis: usize) -> Vec<f64> {
    let past = motion.window - motion.hop;
    let row = |n: usize| (frame * motion.hop + n).checked_sub(past).map_or(0.0, |row| f64::from(x[3 * row + axis]));
    (0..motion.window).map(row).collect()
}

/// Mean, deviation, logarithm of the variance, root mean square, crossings, then bands, as defined.
fn real(motion: &Motion, x: &[f64]) -> Vec<f64> {
    let len = x.len() as f64;
    let mean = x.iter().sum::<f64>() / len;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / len;
    let square = x.iter().map(|x| x * x).sum::<f64>() / len;
    let crossings = x.windows(2).filter(|pair| (pair[0] >= mean) != (pair[1] >= mean)).count();
    let floor = (1.0 / (len * len)).max(variance);
    let mut all = vec![mean, variance.sqrt(), floor.log2(), square.sqrt(), crossings as f64];
    if motion.bands == 0 {
        return all;
    }
    let tables = motion.tables().unwrap();
    let transform = RealFftPlanner::<f64>::new().plan_fft_forward(1 << tables.log2);
    let mut input = transform.make_input_vec();
    for (n, slot) in input[..x.len()].iter_mut().enumerate() {
        *slot = (x[n] - mean) * (0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / len).cos());
    }
    let mut output = transform.make_output_vec();
    transform.process(&mut input, &mut output).unwrap();
    let unit = 2f64.powi(14 - tables.log2 as i32);
    let mut weights = tables.weights.iter();
    for &[start, count] in &tables.bands {
        let bins = output[usize::from(start)..][..usize::from(count)].iter().zip(weights.by_ref());
        let energy: f64 = bins.map(|(bin, &w)| bin.norm_sqr() * unit * unit * f64::from(w) / 4096.0).sum();
        all.push(energy.log2().max(f64::from(tables.floor) / 1024.0));
    }
    all
}

#[test]
fn features_are_those_of_the_definition_within_their_bounds() {
    for (size, hop, bands, amplitude) in [
        (64, 32, 6, 32_000.0),
        (64, 32, 6, 30.0),
        (20, 8, 3, 2_000.0),
        (1024, 512, 16, 32_000.0),
        (1, 1, 0, 9.0),
        (7, 7, 0, 0.0),
    ] {
        let motion = front_end(size, hop, bands);
        let tables = motion.tables().unwrap();
        let x = shaken(4 * size, amplitude);
        let found = motion.integers(&tables, &x);
        let per_axis = 5 + bands;
        let mut worst = [0f64; 6];
        for (index, (values, units)) in found.chunks(per_axis).zip(tables.units.chunks(per_axis).cycle()).enumerate() {
            let expected = real(&motion, &window(&motion, &x, index / 3, index % 3));
            for (feature, ((&value, [unit, start]), expected)) in values.iter().zip(units).zip(&expected).enumerate() {
                let error = (f64::from(value) * unit + start - expected).abs();
                worst[feature.min(5)] = worst[feature.min(5)].max(error);
            }
        }
        let [mean, deviation, variance, rms, crossings, band] = worst;
        println!(
            "{size}/{hop}, amplitude {amplitude}: mean {mean:.1e}, deviation {deviation:.6}, log2 variance {variance:.6}, \
             rms {rms:.6}, crossings {crossings}, band {:.4} dB",
            DECIBELS * band
        );
        // What f64 itself loses.
        let rounding = 1e-9;
        assert!(mean < rounding && crossings < rounding);
        assert!(deviation <= 2f64.powi(-10) + rounding && rms <= 2f64.powi(-10) + rounding, "{deviation} {rms}");
        assert!(variance <= 2f64.powi(-11) + 2f64.powi(-12), "{variance}");
        assert!(DECIBELS * band < tolerance::BAND_DECIBELS, "{band}");
    }
}

#[test]
fn fields_out_of_their_range_are_named() {
    let error = |change: fn(&mut Motion)| {
        let mut changed = front_end(64, 32, 4);
        change(&mut changed);
        changed.tables().unwrap_err().to_string()
    };
    for (found, part) in [
        (error(|m| m.window = 2000), "window 2000"),
        (error(|m| m.hop = 65), "hop 65"),
        (error(|m| m.axes = 0), "axes 0"),
        (error(|m| m.fft = Some(32)), "fft 32"),
        (error(|m| m.high_hz = Some(17.0)), "17 Hz"),
        (error(|m| m.bands = 100), "holds no bin"),
        (error(|m| m.floor = 0.0), "floor 0"),
        (error(|m| (m.features, m.bands) = (vec![], 0)), "name features"),
    ] {
        assert!(found.contains(part), "{found}");
    }
    let shape = |shape: &[usize]| front_end(64, 32, 4).shape(shape);
    assert_eq!(shape(&[128, 3]).unwrap(), [4, 3 * 9]);
    assert!(shape(&[128, 6]).unwrap_err().to_string().contains("6 numbers in a row"));
    assert!(shape(&[31, 3]).unwrap_err().to_string().contains("31 rows"));
}
