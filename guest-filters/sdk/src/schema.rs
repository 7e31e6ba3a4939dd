//! The schema of a configuration: written by hand, or made from the type that reads it.

use std::borrow::Cow;

/// JSON Schema 2020-12 of a configuration. The host checks a configuration against it before the module sees it, and makes forms of it.
#[derive(Clone, Copy, Debug)]
pub enum Schema {
    /// As it stands here, or in a file by `include_str!`.
    Written(&'static str),
    /// Made when `describe` asks for it; [`Schema::of`] is the way to one.
    #[cfg(feature = "attributes")]
    Made(fn() -> String),
}

impl Schema {
    /// Of a type: doc comments become titles and descriptions, the properties stand in the order of the fields (by which lists of keywords are counted), and
    /// `#[schemars(extend(…))]` adds what a type can't say. [`config`](macro@crate::config) derives what it takes.
    #[cfg(feature = "attributes")]
    pub const fn of<T: schemars::JsonSchema>() -> Self {
        Self::Made(made::<T>)
    }

    /// The JSON.
    pub fn text(self) -> Cow<'static, str> {
        match self {
            Self::Written(text) => Cow::Borrowed(text.trim()),
            #[cfg(feature = "attributes")]
            Self::Made(make) => Cow::Owned(make()),
        }
    }
}

/// Everything stands where it is used: the host finds its marks by way of `properties` alone, not through references.
#[cfg(feature = "attributes")]
fn made<T: schemars::JsonSchema>() -> String {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().as_value().to_string()
}
