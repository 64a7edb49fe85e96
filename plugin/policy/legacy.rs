//! Kong's documented place, `<version>/config.json` (export-13): plain bytes that nobody sealed. Read only by a node that knows no
//! key and has no mark, and only where a storage has no head of ours.

use super::Settings;
use super::candidate::Skipped;
use super::marks::Marks;
use crate::config::Format;
use crate::mutants::{Mutant, active};

/// `Ok(false)`: there is nothing of the kind to look for.
pub fn may_be_read(settings: &Settings, marks: &Marks) -> Result<bool, Skipped> {
    match settings.format {
        Format::Kong => {}
        Format::Document | Format::Xds => return Ok(false),
    }
    let knows_better = settings.trusted.is_configured() || settings.has_identity || marks.is_marked();
    match knows_better && !active(Mutant::BelievesUnsealed) {
        true => Err(Skipped::LegacyWouldDowngrade),
        false => Ok(true),
    }
}
