//! What people and tools read of a model: the postcard part of the file.

use serde::{Deserialize, Serialize};

/// Names joined by line feeds, so that a list can be borrowed from flash without allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[serde(transparent)]
pub struct NameList<'m>(pub &'m str);

impl<'m> NameList<'m> {
    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = &'m str> + use<'m> {
        let names = self.0;
        names.split('\n').filter(move |_| !names.is_empty())
    }

    /// The name with this number.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'m str> {
        self.iter().nth(index)
    }

    /// Number of names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is no name.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Description of a model, encoded by postcard.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Info<'m> {
    /// Name of the model.
    #[serde(borrow)]
    pub name: &'m str,
    /// Program and version that wrote the file.
    pub producer: &'m str,
    /// Names of the tensors, in the order of the table.
    pub tensors: NameList<'m>,
    /// Names of the classes, in the order of the output; empty where the model does not classify.
    pub labels: NameList<'m>,
    /// From a raw value of the sensor or image to the first input: `q = clamp(round(raw · gain + offset))`.
    ///
    /// Little-endian `f32`: one, or one per element of the input's last dimension; see [`crate::raw`].
    pub gain: &'m [u8],
    /// As long as `gain`.
    pub offset: &'m [u8],
    /// Multiply-accumulates of one inference.
    pub macs: u64,
}
