//! The only tolerances of the tests, each with its reason. Integers against integers have none.

/// Points of accuracy that int8 may lose against float. Each layer's rounding adds noise 30 to 45 dB below the signal, which
/// moves only samples that lie on the border between two classes.
pub const ACCURACY_POINTS: f64 = 0.01;

/// Least signal to noise of a layer in decibels. Eight bits over the whole range of a uniform signal give 50 dB; ranges that
/// are wider than the signal, and the noise of up to ten layers before, leave 20.
pub const SIGNAL_TO_NOISE: f64 = 20.0;

/// Largest difference of a probability between two float implementations that add in another order: a few hundred products
/// of numbers near 1, each with a relative error of 2^-24, stay below this by a factor of ten.
pub const FLOAT_REORDERED: f32 = 1e-4;

/// Mean distance of a recurrent layer's outputs from f64, in units of 1/128: rounding to them alone gives 0.25; weights of
/// 8 bits and the hidden state's own rounding, which goes through them again at every step, add less than that again for gated layers, and as much for a simple one.
pub const RECURRENT_MEAN: f64 = 0.6;

/// The largest such distance of all: a handful of roundings that fall the same way, through a steep part of a gate.
pub const RECURRENT_WORST: f64 = 8.0;

/// How much larger the distance may be at the end of a sequence than at its start.
pub const RECURRENT_DRIFT: f64 = 1.2;

/// Decibels that a band's energy may be off. The logarithm's own rounding is 0.002; at 40 dB below full scale the windowed
/// samples and the twiddle factors, in 16 bits, add noise that a quiet band beside a loud tone feels.
pub const BAND_DECIBELS: f64 = 0.2;

/// The same of `V + δ^r`, the normalized energy, in decibels of its `r`-th root. Given the energies it is off by 0.005 at most
/// where `r` is 0.25, less where it is more; its constants are rounded to 16 bits; the noise of a quiet band vanishes beside `δ`.
pub const NORMALIZED_DECIBELS: f64 = 0.01;

/// Mean square error that int8 may add to predictions in −1..1: outputs in steps of 1/128 add 1/12 of their square, weights and
/// states about ten times as much.
pub const SQUARED_ERROR: f64 = 1e-3;
