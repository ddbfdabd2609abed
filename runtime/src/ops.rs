//! Which operators and layouts of weights this build has, by the crate's features: what a firmware never runs need not lie in its
//! flash. A feature has the name of its operator or layout.

use crate::format::Op;
use crate::kernels::Layout;

impl Op {
    /// The layout of the operator's weights, where it has a choice.
    #[must_use]
    pub const fn layout(&self) -> Option<Layout> {
        match self {
            Self::Conv2d(p) => Some(p.layout),
            Self::FullyConnected(p) => Some(p.layout),
            Self::Lstm(p) => Some(p.layout),
            Self::Recurrent(p) => Some(p.layout),
            _ => None,
        }
    }
}

impl Layout {
    /// The crate's feature that brings it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Pairs => "pairs",
            Self::Winograd => "winograd",
            Self::Winograd4x4 => "winograd_4x4",
        }
    }

    /// Whether this build has it.
    #[inline(always)]
    pub(crate) const fn is_built(self) -> bool {
        match self {
            Self::Plain => cfg!(feature = "plain"),
            Self::Pairs => cfg!(feature = "pairs"),
            Self::Winograd => cfg!(feature = "winograd"),
            Self::Winograd4x4 => cfg!(feature = "winograd_4x4"),
        }
    }
}
