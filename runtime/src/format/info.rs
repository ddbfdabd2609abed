//! What people and tools read of a model: the only part of the file that is decoded.

use super::bytes::Bytes;

/// Names joined by line feeds, so that a list can be borrowed from flash without allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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

/// Description of a model, which the exporter encodes by postcard: the fields one after the other, lengths and numbers in groups of seven
/// bits.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Info<'m> {
    /// Name of the model.
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

impl<'m> Info<'m> {
    /// Reads what postcard wrote, without it and serde, which would be most of the code in flash that a file needs to be checked; what
    /// follows is ignored. `None`: too short, or a text that is not UTF-8.
    #[must_use]
    pub fn read(bytes: &'m [u8]) -> Option<Self> {
        let mut bytes = Bytes::new(bytes);
        Some(Self {
            name: bytes.text()?,
            producer: bytes.text()?,
            tensors: NameList(bytes.text()?),
            labels: NameList(bytes.text()?),
            gain: bytes.part()?,
            offset: bytes.part()?,
            macs: bytes.number()?,
        })
    }
}
