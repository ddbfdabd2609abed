//! The IDX format of the MNIST family: <https://yann.lecun.org/exdb/mnist/>, gzip or not.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::{Dataset, Loaded, Targets};

/// Loads the four files of a folder.
pub(super) fn load(folder: &Path) -> Result<Loaded> {
    ensure!(
        folder.is_dir(),
        "there is no folder {}: give the one that holds the IDX files with --data, or set data.path in the recipe",
        folder.display()
    );
    Ok(Loaded { train: set(folder, "train")?, test: set(folder, "t10k")? })
}

fn set(folder: &Path, which: &str) -> Result<Dataset> {
    let images_path = find(folder, &format!("{which}-images-idx3-ubyte"))?;
    let labels_path = find(folder, &format!("{which}-labels-idx1-ubyte"))?;
    let (dims, images) = read(&images_path, 3)?;
    let (count, labels) = read(&labels_path, 1)?;
    ensure!(
        dims[0] == count[0],
        "{} holds {} images, {} holds {} labels: they do not belong together",
        images_path.display(),
        dims[0],
        labels_path.display(),
        count[0]
    );
    let classes = labels.iter().max().map_or(0, |&max| usize::from(max) + 1);
    Ok(Dataset {
        shape: vec![dims[1], dims[2], 1],
        inputs: images.into_iter().map(f32::from).collect(),
        targets: Targets::Classes(labels.into_iter().map(usize::from).collect()),
        classes: (0..classes).map(|class| class.to_string()).collect(),
        range: Some([0.0, 255.0]),
        lengths: vec![],
    })
}

/// The file with this name, or with `.gz`, or with the dot that some copies have.
fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    let names = [name.to_owned(), format!("{name}.gz"), dotted.clone(), format!("{dotted}.gz")];
    let found = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{} holds neither {} nor {}", folder.display(), names[0], names[1]))
}

/// Dimensions and bytes of a file with `rank` dimensions.
fn read(path: &Path, rank: u8) -> Result<(Vec<usize>, Vec<u8>)> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&gunzip(bytes)?, rank).with_context(|| format!("{} is not an IDX file of unsigned bytes", path.display()))
}

/// The content of a gzip file; other bytes as they are.
pub(super) fn gunzip(bytes: Vec<u8>) -> Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut content = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut content).context("damaged gzip data")?;
    Ok(content)
}

fn parse(bytes: &[u8], rank: u8) -> Result<(Vec<usize>, Vec<u8>)> {
    let head = 4 + 4 * usize::from(rank);
    let Some((start, content)) = bytes.split_at_checked(head) else {
        bail!("{} bytes, the head has {head}", bytes.len())
    };
    ensure!(start[..4] == [0, 0, 8, rank], "starts with {:02x?}, expected {:02x?}", &start[..4], [0, 0, 8, rank]);
    let dims: Vec<usize> = start[4..].as_chunks().0.iter().map(|&dim| u32::from_be_bytes(dim) as usize).collect();
    let expected =
        dims.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim)).context("its size overflows")?;
    ensure!(content.len() == expected, "dimensions {dims:?} need {expected} bytes, it holds {}", content.len());
    Ok((dims, content.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(magic: [u8; 4], dims: &[u32], content: &[u8]) -> Vec<u8> {
        [&magic[..], &dims.iter().flat_map(|dim| dim.to_be_bytes()).collect::<Vec<_>>(), content].concat()
    }

    #[test]
    fn cut_or_foreign_files_say_what_is_wrong() {
        let good = file([0, 0, 8, 1], &[3], &[7, 8, 9]);
        assert_eq!(parse(&good, 1).unwrap(), (vec![3], vec![7, 8, 9]));
        for len in 0..good.len() {
            assert!(parse(&good[..len], 1).is_err(), "cut to {len}");
        }
        let error = parse(&file([0, 0, 8, 3], &[3], &[7, 8, 9]), 1).unwrap_err().to_string();
        assert!(error.contains("expected [00, 00, 08, 01]"), "{error}");
        assert!(parse(&file([0, 0, 8, 3], &[u32::MAX; 3], &[]), 3).is_err(), "overflow");
    }

    #[test]
    fn labels_that_do_not_match_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: Vec<u8>| fs::write(folder.path().join(name), bytes).unwrap();
        write("train-images-idx3-ubyte", file([0, 0, 8, 3], &[2, 1, 1], &[7, 8]));
        write("train-labels-idx1-ubyte", file([0, 0, 8, 1], &[3], &[0, 1, 1]));
        let error = load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("2 images") && error.contains("3 labels"), "{error}");
        let error = load(Path::new("nowhere")).unwrap_err().to_string();
        assert!(error.contains("nowhere") && error.contains("--data"), "{error}");
    }
}
