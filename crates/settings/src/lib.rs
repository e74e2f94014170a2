//! The values of settings: how each is written, what it may be, and how it is described.
//!
//! A settings struct names a [`Format`] for each field, and documents it:
//!
//! ```
//! use settings::{Count, Seconds, Setting};
//!
//! /// How batches are formed.
//! #[derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
//! #[serde(default, deny_unknown_fields)]
//! struct BatchSettings {
//!     /// The largest number of events in a batch.
//!     size: Setting<Count<1, 10_000>>,
//!     /// How long the first event waits for others.
//!     window: Setting<Seconds<0, 300>>,
//! }
//!
//! impl Default for BatchSettings {
//!     fn default() -> Self {
//!         let window = Setting(std::time::Duration::from_secs(5));
//!         BatchSettings { size: Setting(20), window }
//!     }
//! }
//!
//! let batch: BatchSettings = serde_json::from_str(r#"{"window": "500ms"}"#)?;
//! assert_eq!((*batch.size, batch.window.as_millis()), (20, 500));
//! assert_eq!(settings::list::<BatchSettings>()[0].name, "size");
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! Every value can be written as one text, since that is all that a flag and an environment variable hold. [`list()`] returns
//! the settings of such a struct, from which documentation and checks are made. Which settings there are and where their
//! values come from is decided elsewhere (`proxy::config`). Pure: reads no environment and no file.

mod formats;
mod forms;
mod list;
mod nearest;
mod setting;

pub use formats::{
    AccountId, CheckedText, Choice, Count, ExternalId, FilePath, Flag, List, OneOf, Pairs,
    PointInTime, RoleArn, Seconds, Secret, SecretPairs, SecretText, Size, SizeOrNone, Text,
    TextCheck,
};
pub use forms::object;
pub use list::{Entry, list};
pub use nearest::nearest;
pub use setting::{Format, Setting};
