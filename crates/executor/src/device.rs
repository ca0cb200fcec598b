//! The backend to run on.
use crate::error::{Error, Result};
use burn::tensor::Device;
use std::fmt;
use std::str::FromStr;

/// A backend that this build contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Burn's CPU backend.
    #[cfg(feature = "flex")]
    Flex,
    /// Burn's older CPU backend.
    #[cfg(feature = "ndarray")]
    NdArray,
    /// Any GPU that wgpu finds, software Vulkan included.
    #[cfg(feature = "wgpu")]
    Wgpu,
}

impl Backend {
    /// The backends of this build, the preferred first.
    pub const ALL: &[Self] = &[
        #[cfg(feature = "flex")]
        Self::Flex,
        #[cfg(feature = "ndarray")]
        Self::NdArray,
        #[cfg(feature = "wgpu")]
        Self::Wgpu,
    ];

    /// The preferred backend.
    ///
    /// # Errors
    /// When this build contains none.
    pub fn preferred() -> Result<Self> {
        Self::ALL.first().copied().ok_or_else(|| Error::new("backend", "built without any of flex, ndarray, wgpu"))
    }

    /// Its device, as plain Burn knows it.
    pub fn device(self) -> Device {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => Device::flex(),
            #[cfg(feature = "ndarray")]
            #[expect(deprecated, reason = "kept for conformance as long as Burn has it")]
            Self::NdArray => Device::ndarray(),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Device::wgpu(burn::tensor::DeviceKind::DefaultDevice),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name: &str = match *self {
            #[cfg(feature = "flex")]
            Self::Flex => "flex",
            #[cfg(feature = "ndarray")]
            Self::NdArray => "ndarray",
            #[cfg(feature = "wgpu")]
            Self::Wgpu => "wgpu",
        };
        f.write_str(name)
    }
}

impl FromStr for Backend {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = || Self::ALL.iter().map(Self::to_string).collect::<Vec<_>>().join(", ");
        let found = Self::ALL.iter().find(|backend| backend.to_string() == name);
        found.copied().ok_or_else(|| Error::new("backend", format!("`{name}`, expected one of {}", known())))
    }
}
