//! Why a policy cannot be loaded: a sentence for the operator.

#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct LoadError {
    pub sentence: String,
}

impl LoadError {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into() }
    }
}
