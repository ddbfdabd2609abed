//! Any bytes in: a model or an error. Each input is tried as it is, and with a right head in front and a right checksum, for
//! which a fuzzer would have to guess 2^32 numbers.

#![no_main]

use libfuzzer_sys::fuzz_target;
use thumbnet::Model;
use thumbnet_mutation::dress;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    load(&bytes);
    dress(&mut bytes);
    load(&bytes);
});

/// Loads from an address that is aligned to 16, with every byte of the file readable and none behind it.
fn load(bytes: &[u8]) {
    let mut copy = vec![0u128; bytes.len().div_ceil(16)];
    let copy = &mut bytemuck::cast_slice_mut::<u128, u8>(&mut copy)[..bytes.len()];
    copy.copy_from_slice(bytes);
    match Model::new(copy) {
        Ok(model) => assert!(model.steps().count() == model.head().steps as usize),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
