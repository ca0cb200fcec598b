//! What a number of a file is measured in.
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! units {
    ($($(#[$about:meta])* $name:ident = $text:literal,)*) => {
        /// What a number is measured in. The text form stands in headers of native files.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "full", derive(schemars::JsonSchema))]
        #[non_exhaustive]
        pub enum Unit {
            $($(#[$about])* #[serde(rename = $text)] $name,)*
        }

        impl Unit {
            /// One of each.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The text form.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

units! {
    /// A fraction of a whole, from 0 to 1.
    #[default]
    Share = "share",
    /// Hundredths of a whole.
    Percent = "percent",
    /// A ratio, a count without a thing, or what the file does not say.
    Number = "number",
    /// Things: machines, requests, tokens.
    Count = "count",
    /// Things a second.
    PerSecond = "per_s",
    /// Millions of cycles a second.
    Megahertz = "MHz",
    /// Seconds.
    Seconds = "s",
    /// Milliseconds.
    Milliseconds = "ms",
    /// Microseconds.
    Microseconds = "us",
    /// Bytes.
    Bytes = "B",
    /// Kilobytes, as the file counts them.
    Kilobytes = "KB",
    /// Mebibytes.
    Mebibytes = "MiB",
    /// Bytes a second.
    BytesPerSecond = "B/s",
    /// Kilobytes a second, as the file counts them.
    KilobytesPerSecond = "KB/s",
    /// Kibibytes a second.
    KibibytesPerSecond = "KiB/s",
    /// Mebibytes a second.
    MebibytesPerSecond = "MiB/s",
    /// Watts.
    Watts = "W",
    /// Joules.
    Joules = "J",
    /// Degrees Celsius.
    Celsius = "C",
    /// Grams of carbon dioxide a kilowatt-hour.
    CarbonIntensity = "gCO2/kWh",
}

impl Unit {
    /// The unit with this text form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|unit| unit.text() == text)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
