//! Images in folders: `train/<class>/*.png|jpg`, and `test/` likewise or a share of the training images.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use image::imageops::FilterType;
use rayon::prelude::*;

use super::files::{check_known, files, names, of_classes};
use super::{Dataset, Loaded, Targets};

const IMAGES: [&str; 3] = ["png", "jpg", "jpeg"];

/// Reads all images; the class names are those of the folders, sorted.
pub(super) fn load(root: &Path, size: Option<[usize; 2]>, grayscale: bool, share: f64, seed: u64) -> Result<Loaded> {
    let train = root.join("train");
    ensure!(train.is_dir(), "there is no folder {}: expected train/<class>/*.png or *.jpg", train.display());
    let classes = names(&train)?;
    ensure!(!classes.is_empty(), "{} holds no class folders", train.display());
    let size = match size {
        Some(size) => size,
        None => first_size(&train, &classes)?,
    };
    let all = set(&train, &classes, size, grayscale)?;
    let test = root.join("test");
    if !test.is_dir() {
        return Ok(all.split(share, seed));
    }
    check_known(&test, &train, &classes)?;
    Ok(Loaded { test: set(&test, &classes, size, grayscale)?, train: all })
}

fn first_size(root: &Path, classes: &[String]) -> Result<[usize; 2]> {
    for class in classes {
        if let Some(path) = files(&root.join(class), &IMAGES)?.first() {
            let (width, height) =
                image::image_dimensions(path).with_context(|| format!("cannot read {}", path.display()))?;
            return Ok([height as usize, width as usize]);
        }
    }
    bail!("{} holds no .png or .jpg in its class folders", root.display())
}

fn set(root: &Path, classes: &[String], size: [usize; 2], grayscale: bool) -> Result<Dataset> {
    let all = of_classes(root, classes, &IMAGES)?;
    let pixels: Vec<Vec<f32>> = all.par_iter().map(|(_, path)| pixels(path, size, grayscale)).collect::<Result<_>>()?;
    Ok(Dataset {
        shape: vec![size[0], size[1], if grayscale { 1 } else { 3 }],
        inputs: pixels.concat(),
        targets: Targets::Classes(all.iter().map(|(label, _)| *label).collect()),
        classes: classes.to_vec(),
        range: Some([0.0, 255.0]),
        lengths: vec![],
    })
}

fn pixels(path: &Path, [height, width]: [usize; 2], grayscale: bool) -> Result<Vec<f32>> {
    let mut image = image::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    if (image.height() as usize, image.width() as usize) != (height, width) {
        image = image.resize_exact(width as u32, height as u32, FilterType::Triangle);
    }
    let bytes = if grayscale { image.to_luma8().into_raw() } else { image.to_rgb8().into_raw() };
    Ok(bytes.into_iter().map(f32::from).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn classes_are_folders_and_images_are_brought_to_one_size() {
        let root = tempfile::tempdir().unwrap();
        for (class, side, gray) in [("cat", 4, 10u8), ("dog", 8, 200)] {
            for set in ["train", "test"] {
                let folder = root.path().join(set).join(class);
                fs::create_dir_all(&folder).unwrap();
                image::GrayImage::from_pixel(side, side, image::Luma([gray])).save(folder.join("a.png")).unwrap();
            }
        }
        let loaded = load(root.path(), None, true, 0.5, 0).unwrap();
        assert_eq!((loaded.train.shape.as_slice(), loaded.train.classes.len()), ([4, 4, 1].as_slice(), 2));
        assert_eq!(loaded.test.sample(1), [200.0; 16]);
        fs::create_dir(root.path().join("test/bird")).unwrap();
        let error = load(root.path(), None, true, 0.5, 0).unwrap_err().to_string();
        assert!(error.contains("bird"), "{error}");
        fs::remove_dir(root.path().join("test/bird")).unwrap();
        fs::write(root.path().join("train/cat/b.png"), b"no image").unwrap();
        assert!(load(root.path(), None, true, 0.5, 0).unwrap_err().to_string().contains("b.png"));
    }
}
