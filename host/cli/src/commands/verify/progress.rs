//! How far a long look has come: one line on stderr that is written over, and only where a person looks.

use std::io::{self, IsTerminal, Write};

pub struct Progress {
    shown: bool,
    total: usize,
}

impl Progress {
    pub fn over(total: usize) -> Self {
        Self { shown: io::stderr().is_terminal(), total }
    }

    pub fn at(&self, nth: usize, what: &str) {
        self.write(&format!("\r\x1b[K{nth}/{} {what}", self.total));
    }

    fn write(&self, text: &str) {
        if self.shown {
            let mut err = io::stderr().lock();
            // A terminal that went away loses nothing.
            let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.write("\r\x1b[K");
    }
}
