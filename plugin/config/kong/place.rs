//! Where in the document a check stands, and what was found there. A place is a chain on the stack; it costs a text only when
//! something is wrong.

use super::super::{Findings, Invalid};

#[derive(Clone, Copy)]
pub enum Place<'p> {
    Root,
    Member(&'p Place<'p>, &'p str),
    Element(&'p Place<'p>, usize),
}

/// Keys come from the document, so what a path repeats of them is bounded.
const KEY_CHARS_MAX: usize = 64;

impl Place<'_> {
    pub fn path(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Element(list, index) => format!("{}[{index}]", list.path()),
            Self::Member(record, key) => {
                let mut path = record.path();
                if !path.is_empty() {
                    path.push('.');
                }
                path.extend(key.chars().filter(|character| !character.is_control()).take(KEY_CHARS_MAX));
                path
            }
        }
    }
}

/// Findings, by what they mean for a configuration that a control plane sent (export-02).
#[derive(Default)]
pub struct Reports {
    /// No gateway could run this.
    pub structural: Findings,
    /// Our tables and the document disagree; they may be the ones that are wrong.
    pub schema: Findings,
}

impl Reports {
    pub fn structural(&mut self, place: &Place<'_>, message: impl Into<String>) {
        self.structural.push(place.path(), message);
    }

    pub fn schema(&mut self, place: &Place<'_>, message: impl Into<String>) {
        self.schema.push(place.path(), message);
    }

    /// Every finding refuses.
    pub fn into_result(self) -> Result<(), Invalid> {
        let mut all = self.structural;
        all.append(self.schema);
        all.into_result()
    }
}
