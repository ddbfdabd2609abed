//! Augmentation: chance changes of training samples, never of test samples.

use rand::RngExt;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::waveform::Waveform;

/// How far images and recordings may be changed. All zeros changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Largest shift in pixels, down and across (a random crop of an image padded by as much): whole pixels, which keep an image
    /// as sharp as it is, unless it is rotated or zoomed as well.
    pub shift: f32,
    /// Largest rotation in degrees.
    pub rotate: f32,
    /// Largest relative change of size: 0.1 is 90 to 110 %.
    pub zoom: f32,
    /// Whether half of the images are mirrored left to right.
    pub flip: bool,
    /// For recordings.
    pub waveform: Waveform,
}

impl Augment {
    /// Whether it changes anything.
    #[must_use]
    pub fn is_active(&self) -> bool {
        *self != Self::default()
    }

    /// Changes what a front end has made of one sample, `[time, features]`.
    pub fn mask(&self, features: &mut [f32], shape: &[usize], rng: &mut StdRng) {
        if let &[time, width] = shape {
            self.waveform.mask(features, [time, width], rng);
        }
    }

    /// Changes one recording, or one image of raw values, height × width × channels. What comes in at an image's border is
    /// `fill`.
    #[must_use]
    pub fn apply(&self, image: &[f32], shape: &[usize], fill: f32, rng: &mut StdRng) -> Vec<f32> {
        let (height, width, channels) = match *shape {
            [height, width, channels] => (height, width, channels),
            [_] => return self.waveform.apply(image, rng),
            _ => return image.to_vec(),
        };
        if self.rotate == 0.0 && self.zoom == 0.0 {
            return self.crop(image, [height, width, channels], fill, rng);
        }
        let mut within = |most: f32| if most > 0.0 { rng.random_range(-most..=most) } else { 0.0 };
        let (dy, dx) = (within(self.shift), within(self.shift));
        let (sin, cos) = within(self.rotate).to_radians().sin_cos();
        let scale = 1.0 + within(self.zoom);
        let mirror = if self.flip && rng.random_bool(0.5) { -1.0 } else { 1.0 };
        let center = [(height as f32 - 1.0) / 2.0, (width as f32 - 1.0) / 2.0];
        let mut output = Vec::with_capacity(image.len());
        for y in 0..height {
            for x in 0..width {
                // From the output back to the input, so that every output pixel gets a value.
                let (v, u) = ((y as f32 - center[0] - dy) / scale, (x as f32 - center[1] - dx) / scale * mirror);
                let at = [cos * v - sin * u + center[0], sin * v + cos * u + center[1]];
                output.extend((0..channels).map(|channel| bilinear(image, shape, at, channel, fill)));
            }
        }
        output
    }

    /// Shifts by whole pixels and mirrors: rows are copied.
    fn crop(&self, image: &[f32], [height, width, channels]: [usize; 3], fill: f32, rng: &mut StdRng) -> Vec<f32> {
        let most = self.shift as i32;
        let mut within = || if most > 0 { rng.random_range(-most..=most) } else { 0 };
        let (down, across) = (within(), within());
        let is_mirrored = self.flip && rng.random_bool(0.5);
        let mut output = vec![fill; image.len()];
        let [left, right] =
            [across.max(0), across.min(0)].map(|shift| (shift.unsigned_abs() as usize).min(width) * channels);
        let row = width * channels;
        for (y, to) in output.chunks_exact_mut(row).enumerate() {
            let Some(y) = y.checked_add_signed(-down as isize).filter(|&y| y < height) else { continue };
            let from = &image[y * row..][..row];
            to[left..row - right].copy_from_slice(&from[right..row - left]);
            if is_mirrored {
                mirror(to, channels);
            }
        }
        output
    }
}

/// Turns the order of a row's pixels around.
fn mirror(row: &mut [f32], channels: usize) {
    let width = row.len() / channels;
    for x in 0..width / 2 {
        let (left, right) = row.split_at_mut((width - 1 - x) * channels);
        left[x * channels..][..channels].swap_with_slice(&mut right[..channels]);
    }
}

/// The value between four pixels.
fn bilinear(image: &[f32], shape: &[usize], [y, x]: [f32; 2], channel: usize, fill: f32) -> f32 {
    let pixel = |y: f32, x: f32| {
        let inside = y >= 0.0 && x >= 0.0 && y < shape[0] as f32 && x < shape[1] as f32;
        if inside { image[(y as usize * shape[1] + x as usize) * shape[2] + channel] } else { fill }
    };
    let (y0, x0) = (y.floor(), x.floor());
    let (fy, fx) = (y - y0, x - x0);
    let top = pixel(y0, x0) * (1.0 - fx) + pixel(y0, x0 + 1.0) * fx;
    let bottom = pixel(y0 + 1.0, x0) * (1.0 - fx) + pixel(y0 + 1.0, x0 + 1.0) * fx;
    top * (1.0 - fy) + bottom * fy
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn nothing_asked_for_changes_nothing_and_a_flip_mirrors() {
        let image: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let mut rng = StdRng::seed_from_u64(1);
        assert_eq!(Augment::default().apply(&image, &[3, 4, 1], 0.0, &mut rng), image);
        let flip = Augment { flip: true, ..Augment::default() };
        let mirrored = vec![3.0, 2.0, 1.0, 0.0, 7.0, 6.0, 5.0, 4.0, 11.0, 10.0, 9.0, 8.0];
        let results: Vec<_> = (0..20).map(|_| flip.apply(&image, &[3, 4, 1], 0.0, &mut rng)).collect();
        assert!(results.contains(&image) && results.contains(&mirrored));
        assert!(results.iter().all(|result| *result == image || *result == mirrored));
    }

    #[test]
    fn a_shift_alone_is_a_crop_of_the_padded_image() {
        let [height, width, channels, most] = [3usize, 4, 2, 2];
        let image: Vec<f32> = (1..=24).map(|i| i as f32).collect();
        let pixel = |y: isize, x: isize, channel: usize| {
            let inside = (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
            if inside { image[(y as usize * width + x as usize) * channels + channel] } else { -1.0 }
        };
        let mut expected = std::collections::BTreeSet::new();
        for (down, across, flip) in (-2..=2).flat_map(|y| (-2..=2).flat_map(move |x| [(y, x, false), (y, x, true)])) {
            let mut crop = Vec::new();
            for (y, x, channel) in (0..height).flat_map(|y| (0..width).flat_map(move |x| [(y, x, 0), (y, x, 1)])) {
                let x = if flip { width - 1 - x } else { x };
                crop.push(pixel(y as isize - down, x as isize - across, channel) as i32);
            }
            expected.insert(crop);
        }
        let augment = Augment { shift: most as f32, flip: true, ..Augment::default() };
        let mut rng = StdRng::seed_from_u64(3);
        let shape = [height, width, channels];
        let whole = |x: Vec<f32>| x.into_iter().map(|x| x as i32).collect::<Vec<_>>();
        let found: std::collections::BTreeSet<_> =
            (0..2000).map(|_| whole(augment.apply(&image, &shape, -1.0, &mut rng))).collect();
        assert_eq!(found, expected);
        // Further than the image is wide: nothing of it is left, and nothing panics.
        let far = Augment { shift: 50.0, ..Augment::default() };
        assert!((0..50).any(|_| far.apply(&image, &shape, -1.0, &mut rng).iter().all(|&x| x == -1.0)));
    }
}
