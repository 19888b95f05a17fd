//! Whether values fit the schema of their topic.

pub(crate) mod json;
