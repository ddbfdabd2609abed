//! NumPy files: `x.npy` with the samples along the first axis, `y.npy` with their targets.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use npyz::{NpyFile, TypeChar};

use super::{Dataset, Targets};

struct Array {
    shape: Vec<usize>,
    data: Vec<f64>,
    is_integer: bool,
    is_byte: bool,
}

/// Reads both files. Whole-numbered targets are classes; images of bytes have the range 0 to 255.
pub(super) fn load(folder: &Path) -> Result<Dataset> {
    let (x, y) = (array(&folder.join("x.npy"))?, array(&folder.join("y.npy"))?);
    ensure!(x.shape.len() >= 2, "x.npy has shape {:?}, expected samples along the first axis", x.shape);
    ensure!(!y.shape.is_empty(), "y.npy is a single number, expected one target per sample");
    let mut shape = x.shape[1..].to_vec();
    if shape.len() == 2 {
        shape.push(1);
    }
    let width = y.shape[1..].iter().product();
    let (targets, classes) = if y.is_integer && width == 1 {
        let labels: Vec<usize> = y.data.iter().map(|&label| label as usize).collect();
        if let Some(at) = y.data.iter().position(|&label| label < 0.0) {
            bail!("y.npy: label {} of sample {at} is negative", y.data[at]);
        }
        let count = labels.iter().max().map_or(0, |max| max + 1);
        (Targets::Classes(labels), (0..count).map(|class| class.to_string()).collect())
    } else {
        (Targets::Values { width, data: y.data.iter().map(|&value| value as f32).collect() }, Vec::new())
    };
    let range = x.is_byte.then_some([0.0, 255.0]);
    Ok(Dataset {
        shape,
        inputs: x.data.iter().map(|&value| value as f32).collect(),
        targets,
        classes,
        range,
        lengths: vec![],
    })
}

fn array(path: &Path) -> Result<Array> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let place = || format!("{} is not a NumPy file of numbers", path.display());
    let npy = NpyFile::new(BufReader::new(file)).with_context(place)?;
    let shape: Vec<usize> = npy.shape().iter().map(|&dim| dim as usize).collect();
    ensure!(npy.order() == npyz::Order::C, "{}: Fortran order; save it with np.ascontiguousarray", path.display());
    let npyz::DType::Plain(kind) = npy.dtype() else {
        bail!("{}: structured arrays are not supported", path.display())
    };
    let is_integer = matches!(kind.type_char(), TypeChar::Int | TypeChar::Uint);
    let is_byte = kind.type_char() == TypeChar::Uint && kind.size_field() == 1;
    let data = numbers(npy, &kind).with_context(place)?;
    Ok(Array { shape, data, is_integer, is_byte })
}

/// All elements as f64, whichever of the common types they have.
fn numbers(npy: NpyFile<BufReader<File>>, kind: &npyz::TypeStr) -> Result<Vec<f64>> {
    macro_rules! read {
        ($ty:ty) => {
            npy.into_vec::<$ty>()?.into_iter().map(|value| value as f64).collect()
        };
    }
    Ok(match (kind.type_char(), kind.size_field()) {
        (TypeChar::Float, 8) => read!(f64),
        (TypeChar::Float, 4) => read!(f32),
        (TypeChar::Int, 8) => read!(i64),
        (TypeChar::Int, 4) => read!(i32),
        (TypeChar::Int, 2) => read!(i16),
        (TypeChar::Int, 1) => read!(i8),
        (TypeChar::Uint, 8) => read!(u64),
        (TypeChar::Uint, 4) => read!(u32),
        (TypeChar::Uint, 2) => read!(u16),
        (TypeChar::Uint, 1) => read!(u8),
        _ => bail!("elements of type {kind}; expected integers, f32 or f64"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::WriterBuilder;

    fn write<T: npyz::AutoSerialize + Copy>(path: &Path, shape: &[u64], data: &[T]) {
        let file = File::create(path).unwrap();
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(file).begin_nd().unwrap();
        writer.extend(data.iter().copied()).unwrap();
        writer.finish().unwrap();
    }

    #[test]
    fn bytes_are_images_and_whole_targets_classes() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("x.npy"), &[2, 1, 2], &[0u8, 255, 3, 4]);
        write(&folder.path().join("y.npy"), &[2], &[1i64, 0]);
        let set = load(folder.path()).unwrap();
        assert_eq!((set.shape, set.range), (vec![1, 2, 1], Some([0.0, 255.0])));
        assert_eq!((set.inputs, set.targets), (vec![0.0, 255.0, 3.0, 4.0], Targets::Classes(vec![1, 0])));
    }

    #[test]
    fn foreign_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().contains("x.npy"));
        std::fs::write(folder.path().join("x.npy"), b"hello").unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().contains("not a NumPy file"));
    }
}
