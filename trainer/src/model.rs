//! A trained model on disk: graph, weights, and all that the exporter needs to know of the data.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Preprocess};
use crate::files::replace;
use crate::front_end::FrontEnd;
use crate::graph::{Graph, Tensor, Weights};
use crate::nn::Mask;
use crate::quantize::Ranges;

/// A network with its weights, in f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What it computes.
    pub graph: Graph,
    /// Its weights.
    pub weights: Weights,
    /// What it was trained on.
    pub meta: Meta,
}

/// What a model knows of its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// From raw values to the first input.
    pub preprocess: Preprocess,
    /// Names of the classes; empty for regression.
    pub classes: Vec<String>,
    /// What turns samples into features before `preprocess`, where something does.
    #[serde(default)]
    pub front_end: Option<FrontEnd>,
    /// Whether sequences may end before their place does: how long each is goes along.
    #[serde(default)]
    pub masked: bool,
    /// The ranges that training with fake quantization has found; empty without it.
    #[serde(default)]
    pub ranges: Ranges,
}

impl Meta {
    /// What the network sees of raw samples.
    ///
    /// # Errors
    /// The front end has a field that is out of its range.
    pub fn apply<'a>(&self, samples: impl IntoParallelIterator<Item = &'a [f32]>) -> Result<Vec<f32>> {
        let Some(front_end) = &self.front_end else {
            let parts = samples.into_par_iter().map(|raw| self.preprocess.apply(raw).collect::<Vec<_>>());
            return Ok(parts.collect::<Vec<_>>().concat());
        };
        let extract = front_end.extractor()?;
        let features = |raw| self.preprocess.apply(&extract(raw)).collect::<Vec<_>>();
        Ok(samples.into_par_iter().map(features).collect::<Vec<_>>().concat())
    }

    /// What the network sees of these samples of a data set.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn inputs(&self, data: &Dataset, samples: &[usize]) -> Result<Vec<f32>> {
        self.apply(samples.iter().map(|&index| data.sample(index)).collect::<Vec<_>>())
    }

    /// How much of these samples is there for the network, where that differs.
    #[must_use]
    pub fn mask(&self, data: &Dataset, samples: &[usize], device: &burn::tensor::Device) -> Option<Mask> {
        let time = *self.input_shape(&data.shape).ok()?.first()?;
        let unit = self.front_end.as_ref().map_or(1, FrontEnd::hop);
        let length = |&index: &usize| data.lengths.get(index).map_or(time, |length| (length / unit).max(1));
        self.masked.then(|| Mask::new(&samples.iter().map(length).collect::<Vec<_>>(), time, device))
    }

    /// The shape of what the network sees of samples of this shape.
    ///
    /// # Errors
    /// The front end does not take them.
    pub fn input_shape(&self, raw: &[usize]) -> Result<Vec<usize>> {
        self.front_end.as_ref().map_or_else(|| Ok(raw.to_vec()), |front_end| front_end.shape(raw))
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    graph: Graph,
    meta: Meta,
}

impl Model {
    /// Writes safetensors, the graph and the rest as JSON in its metadata.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let header = serde_json::to_string(&Header { graph: self.graph.clone(), meta: self.meta.clone() })?;
        let metadata = HashMap::from([("thumbnet".to_owned(), header)]);
        let mut views = Vec::new();
        for (name, tensor) in &self.weights {
            let bytes = bytemuck::cast_slice(&tensor.data);
            views.push((name.clone(), TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?));
        }
        let bytes = safetensors::serialize(views, Some(metadata))?;
        replace(path, &bytes)
    }

    /// Reads what [`Model::save`] wrote.
    ///
    /// # Errors
    /// The file is missing, damaged, or was not written by thumbnet.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&bytes).with_context(|| format!("{} is not a model trained by thumbnet", path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let header = metadata.metadata().as_ref().and_then(|metadata| metadata.get("thumbnet"));
        let Header { graph, meta } = serde_json::from_str(header.context("it holds no graph")?)?;
        let tensors = SafeTensors::deserialize(bytes)?;
        let read = |(name, view): (&str, TensorView<'_>)| -> Result<_> {
            ensure!(view.dtype() == Dtype::F32, "weight \"{name}\" is {:?}, expected F32", view.dtype());
            let data = view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            Ok((name.to_owned(), Tensor { shape: view.shape().to_vec(), data }))
        };
        let weights = tensors.iter().map(read).collect::<Result<_>>()?;
        Ok(Self { graph, weights, meta })
    }
}
