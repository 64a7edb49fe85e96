//! A story as it was written: its title, the mutants that it must notice, and its lines, each with its place in the file.
//!
//! A line that begins with `#` is a remark. Reads the form; what the words of a line mean is `vocabulary.rs`. Whatever is not in the form
//! is an error that names file and line.

use crate::vocabulary::{Claim, Given, Step};

pub struct Script {
    pub file: String,
    pub title: String,
    /// What happened in the world.
    pub prose: String,
    /// Which broken rules the story must notice.
    pub mutants: Vec<String>,
    pub givens: Vec<Line<Given>>,
    pub steps: Vec<Line<Step>>,
    /// Looked at after every step.
    pub nevers: Vec<Line<Claim>>,
}

pub struct Line<T> {
    /// `file:number`.
    pub place: String,
    pub text: String,
    pub means: T,
}

impl Script {
    pub fn read(file: &str, text: &str) -> Result<Self, String> {
        let mut script = Self::titled(file, text)?;
        let mut is_prose = true;
        for (index, line) in text.lines().enumerate().skip(1) {
            let line = line.trim();
            is_prose &= !line.starts_with("mutant ");
            if is_prose {
                script.prose.push_str(line);
                script.prose.push('\n');
            } else if !line.is_empty() && !line.starts_with("# ") {
                let place = format!("{file}:{}", index + 1);
                script.take(place.clone(), line).map_err(|why| format!("{place}: {why}: '{line}'"))?;
            }
        }
        script.whole()
    }

    fn titled(file: &str, text: &str) -> Result<Self, String> {
        let title = text.lines().next().and_then(|line| line.strip_prefix("# ")).filter(|title| !title.trim().is_empty());
        let title = title.ok_or_else(|| format!("{file}:1: a story begins with its title: '# …'"))?.to_owned();
        let (file, prose) = (file.to_owned(), String::new());
        Ok(Self { file, title, prose, mutants: Vec::new(), givens: Vec::new(), steps: Vec::new(), nevers: Vec::new() })
    }

    fn take(&mut self, place: String, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let text = line.to_owned();
        match words.as_slice() {
            ["mutant", name] => self.mutants.push((*name).to_owned()),
            ["given", rest @ ..] if self.steps.is_empty() => self.givens.push(Line { place, text, means: Given::read(rest)? }),
            ["given", ..] => return Err("what is given stands before the first 'when' and 'expect'".into()),
            ["when", rest @ ..] => self.steps.push(Line { place, text, means: Step::when(rest)? }),
            ["expect", rest @ ..] => self.steps.push(Line { place, text, means: Step::Expect(Claim::read(rest)?) }),
            ["never", rest @ ..] => self.nevers.push(Line { place, text, means: Claim::read(rest)? }),
            _other => return Err("a line begins with mutant, given, when, expect or never".into()),
        }
        Ok(())
    }

    /// A story without one of these could not fail, or would not say why it is told.
    fn whole(self) -> Result<Self, String> {
        let expects = self.steps.iter().any(|line| matches!(line.means, Step::Expect(_)));
        let lacks = [
            ("a paragraph of what happened", self.prose.trim().is_empty()),
            ("a line 'mutant …'", self.mutants.is_empty()),
            ("a line 'given …'", self.givens.is_empty()),
            ("a line 'expect …'", !expects),
            ("a line 'never …'", self.nevers.is_empty()),
        ];
        match lacks.into_iter().find(|(_, lacks)| *lacks) {
            None => Ok(self),
            Some((what, _)) => Err(format!("{}: the story lacks {what}", self.file)),
        }
    }
}
