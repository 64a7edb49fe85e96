//! YAML 1.1 as Kong's reader (libyaml with lyaml's scalars) takes it, turned into JSON text.
//!
//! Everything behind reads JSON only. First document only; anchors, aliases and `<<` work; a key given itself beats a merged one,
//! an earlier merge beats a later one, and of equal keys the last wins. `yes no on off` are booleans, `y` and `n` are not;
//! `010` is eight and `1:30` is ninety. The text written is bounded, so that aliases of aliases cannot fill the memory.
//! Knows no gateway.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};

use super::tree;
use super::{CONFIG_BYTES_MAX, Invalid, JSON_DEPTH_MAX};

/// How much longer than its YAML the JSON may be: times the input, and at least a mebibyte.
const EXPANSION_MAX: usize = 32;
/// Merges may copy one member per byte of YAML, and at least this many.
const MERGED_MIN: usize = 100_000;

/// The document as JSON: itself when it is JSON, else its translation.
pub fn as_json(bytes: &[u8]) -> Result<Cow<'_, str>, Invalid> {
    let text = tree::text(bytes)?;
    match tree::first_byte(text) {
        Some(b'{' | b'[') => Ok(Cow::Borrowed(text)),
        Some(_) => translate(text).map(Cow::Owned),
        None => Err(Invalid::whole("the document is empty")),
    }
}

fn translate(text: &str) -> Result<String, Invalid> {
    let composer = Composer { open: Vec::new(), anchors: BTreeMap::new(), merge_budget: text.len().max(MERGED_MIN) };
    let root = composer.compose(&mut Parser::new_from_str(text))?;
    let bytes_max = text.len().saturating_mul(EXPANSION_MAX).clamp(1 << 20, CONFIG_BYTES_MAX);
    let mut json = Json { text: String::with_capacity(text.len()), bytes_max };
    json.value(&root)?;
    Ok(json.text)
}

#[derive(Debug)]
struct Yaml {
    content: Content,
    /// 1 for a scalar; bounded, so that writing and dropping cannot overflow the stack.
    height: usize,
}

#[derive(Debug)]
enum Content {
    /// A number, boolean or null, as JSON text.
    Plain(String),
    Text(String),
    Sequence(Vec<Rc<Yaml>>),
    Mapping(Vec<(String, Rc<Yaml>)>),
}

/// A collection whose end has not been seen.
struct Open {
    anchor: usize,
    height: usize,
    kind: OpenKind,
}

enum OpenKind {
    Sequence(Vec<Rc<Yaml>>),
    Mapping { entries: Vec<(String, Rc<Yaml>)>, merges: Vec<Rc<Yaml>>, key: Option<KeyText> },
}

enum KeyText {
    Key(String),
    Merge,
}

struct Composer {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Rc<Yaml>>,
    /// How many members merges may still copy.
    merge_budget: usize,
}

impl Composer {
    fn compose(mut self, parser: &mut Parser<'_, StrInput<'_>>) -> Result<Rc<Yaml>, Invalid> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                Invalid::whole(format!("not YAML at line {}, column {}", error.marker().line(), error.marker().col() + 1))
            })?;
            let finished = self.take(event).map_err(|message| Invalid::whole(format!("{message}, at line {}", span.start.line())))?;
            if let Some(root) = finished {
                return Ok(root);
            }
        }
        Err(Invalid::whole("the document is empty"))
    }

    /// One event; the root when it is whole.
    fn take(&mut self, event: Event<'_>) -> Result<Option<Rc<Yaml>>, String> {
        match event {
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => Ok(None),
            Event::StreamEnd | Event::DocumentEnd => Err("the document is empty".to_owned()),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned().ok_or("an alias stands inside what it names")?;
                self.place(node, None)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let content = scalar(&text, style, tag.as_deref())?;
                let node = Rc::new(Yaml { content, height: 1 });
                self.keep(anchor, &node);
                self.place(node, (style == ScalarStyle::Plain).then_some(text))
            }
            Event::SequenceStart(anchor, _) => self.open(anchor, OpenKind::Sequence(Vec::new())),
            Event::MappingStart(anchor, _) => self.open(anchor, OpenKind::Mapping { entries: Vec::new(), merges: Vec::new(), key: None }),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
        }
    }

    fn open(&mut self, anchor: usize, kind: OpenKind) -> Result<Option<Rc<Yaml>>, String> {
        if self.open.len() >= JSON_DEPTH_MAX {
            return Err(too_deep());
        }
        self.open.push(Open { anchor, height: 1, kind });
        Ok(None)
    }

    fn close(&mut self) -> Result<Option<Rc<Yaml>>, String> {
        let Some(Open { anchor, height, kind }) = self.open.pop() else { return Err("a collection ends that never began".to_owned()) };
        let content = match kind {
            OpenKind::Sequence(elements) => Content::Sequence(elements),
            OpenKind::Mapping { entries, merges, .. } if merges.is_empty() => Content::Mapping(entries),
            OpenKind::Mapping { entries, merges, .. } => Content::Mapping(merged(entries, &merges, &mut self.merge_budget)?),
        };
        let node = Rc::new(Yaml { content, height });
        self.keep(anchor, &node);
        self.place(node, None)
    }

    fn keep(&mut self, anchor: usize, node: &Rc<Yaml>) {
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(node));
        }
    }

    /// Puts a whole node where it belongs. `plain` is its text when it was a plain scalar: only a plain `<<` merges.
    fn place(&mut self, node: Rc<Yaml>, plain: Option<Cow<'_, str>>) -> Result<Option<Rc<Yaml>>, String> {
        let Some(open) = self.open.last_mut() else { return Ok(Some(node)) };
        open.height = open.height.max(node.height + 1);
        if open.height > JSON_DEPTH_MAX {
            return Err(too_deep());
        }
        match &mut open.kind {
            OpenKind::Sequence(elements) => elements.push(node),
            OpenKind::Mapping { entries, merges, key } => match key.take() {
                Some(KeyText::Key(text)) => entries.push((text, node)),
                Some(KeyText::Merge) => merges.push(node),
                None => *key = Some(key_text(&node, plain.as_deref())?),
            },
        }
        Ok(None)
    }
}

fn too_deep() -> String {
    format!("nested more than {JSON_DEPTH_MAX} levels deep")
}

fn key_text(node: &Yaml, plain: Option<&str>) -> Result<KeyText, String> {
    match &node.content {
        Content::Text(text) if text == "<<" && plain.is_some() => Ok(KeyText::Merge),
        Content::Text(text) => Ok(KeyText::Key(text.clone())),
        Content::Plain(json) => Ok(KeyText::Key(plain.unwrap_or(json).to_owned())),
        Content::Sequence(_) | Content::Mapping(_) => Err("a key is a list or a mapping".to_owned()),
    }
}

/// What was given beats what is merged, and an earlier merge a later one.
fn merged(entries: Vec<(String, Rc<Yaml>)>, merges: &[Rc<Yaml>], budget: &mut usize) -> Result<Vec<(String, Rc<Yaml>)>, String> {
    let mut members: BTreeMap<String, Rc<Yaml>> = entries.into_iter().collect();
    let mut sources = Vec::new();
    for merge in merges {
        match &merge.content {
            Content::Mapping(_) => sources.push(merge),
            Content::Sequence(elements) => sources.extend(elements),
            Content::Plain(_) | Content::Text(_) => return Err(NOT_MERGEABLE.to_owned()),
        }
    }
    for source in sources {
        let Content::Mapping(entries) = &source.content else { return Err(NOT_MERGEABLE.to_owned()) };
        *budget = budget.checked_sub(entries.len()).ok_or("the YAML's merges unfold to too many members")?;
        for (key, value) in entries.iter().rev() {
            members.entry(key.clone()).or_insert_with(|| Rc::clone(value));
        }
    }
    Ok(members.into_iter().collect())
}

const NOT_MERGEABLE: &str = "'<<' takes a mapping or a list of mappings";

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Content, String> {
    let tagged = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    let content = match tagged {
        Some("str") => Content::Text(text.to_owned()),
        Some("null") => Content::Plain("null".to_owned()),
        Some("bool") => Content::Plain(boolean(text).ok_or("not a boolean")?.to_owned()),
        Some("int") => Content::Plain(integer(text).ok_or("not an integer")?),
        Some("float") => Content::Plain(float(text).or_else(|| integer(text)).ok_or("not a number")?),
        Some(_) | None if style == ScalarStyle::Plain => plain(text)?,
        Some(_) | None => Content::Text(text.to_owned()),
    };
    Ok(content)
}

fn plain(text: &str) -> Result<Content, String> {
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Ok(Content::Plain("null".to_owned()));
    }
    // Letters that can begin none of the special scalars: by far the most.
    if text.starts_with(|first: char| !first.is_ascii_digit() && !"+-._tTfFyYnNoO".contains(first)) {
        return Ok(Content::Text(text.to_owned()));
    }
    if let Some(number) = integer(text).or_else(|| float(text)) {
        return Ok(Content::Plain(number));
    }
    if let Some(value) = boolean(text) {
        return Ok(Content::Plain(value.to_owned()));
    }
    if matches!(text.trim_start_matches(['+', '-']), ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Err("a number that is infinite or none".to_owned());
    }
    Ok(Content::Text(text.to_owned()))
}

fn boolean(text: &str) -> Option<&'static str> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some("true"),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some("false"),
        _ => None,
    }
}

/// Octal, decimal, hexadecimal, binary and sexagesimal integers, as JSON text.
fn integer(text: &str) -> Option<String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = rest.replace('_', "");
    let all = |radix: u32| !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    if let Some(hexadecimal) = digits.strip_prefix("0x") {
        return Some(format!("{sign}{}", u64::from_str_radix(hexadecimal, 16).ok()?));
    }
    if let Some(binary) = digits.strip_prefix("0b") {
        return Some(format!("{sign}{}", u64::from_str_radix(binary, 2).ok()?));
    }
    if digits.len() > 1 && digits.starts_with('0') && all(8) {
        return Some(format!("{sign}{}", u64::from_str_radix(&digits, 8).ok()?));
    }
    if all(10) {
        let significant = digits.trim_start_matches('0');
        return Some(format!("{sign}{}", if significant.is_empty() { "0" } else { significant }));
    }
    sexagesimal(rest).map(|value| format!("{sign}{value}"))
}

fn sexagesimal(text: &str) -> Option<u64> {
    let mut parts = text.split(':');
    let mut value: u64 = parts.next()?.parse().ok()?;
    let mut parts = parts.peekable();
    parts.peek()?;
    for part in parts {
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        value = value.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    let second: u64 = text.split(':').nth(1)?.parse().ok()?;
    (second < 60).then_some(value)
}

fn float(text: &str) -> Option<String> {
    let digits = text.replace('_', "");
    let shaped = digits.contains(['.', 'e', 'E']) && digits.contains(|c: char| c.is_ascii_digit());
    if !shaped || !digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte)) {
        return None;
    }
    let value: f64 = digits.parse().ok()?;
    serde_json::to_string(&value).ok().filter(|json| json != "null")
}

struct Json {
    text: String,
    bytes_max: usize,
}

impl Json {
    fn value(&mut self, yaml: &Yaml) -> Result<(), Invalid> {
        match &yaml.content {
            Content::Plain(json) => self.text.push_str(json),
            Content::Text(text) => self.string(text)?,
            Content::Sequence(elements) => {
                self.text.push('[');
                for (index, element) in elements.iter().enumerate() {
                    self.comma(index);
                    self.value(element)?;
                }
                self.text.push(']');
            }
            Content::Mapping(entries) => {
                self.text.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    self.comma(index);
                    self.string(key)?;
                    self.text.push(':');
                    self.value(value)?;
                }
                self.text.push('}');
            }
        }
        if self.text.len() > self.bytes_max {
            return Err(Invalid::whole(format!("the YAML's aliases unfold to more than {} bytes", self.bytes_max)));
        }
        Ok(())
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.text.push(',');
        }
    }

    fn string(&mut self, text: &str) -> Result<(), Invalid> {
        let json = serde_json::to_string(text).map_err(|_| Invalid::whole("a text that cannot be written as JSON"))?;
        self.text.push_str(&json);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn json_is_passed_on_untouched() {
        assert!(matches!(as_json(b"  {\"a\": 1}").unwrap(), Cow::Borrowed("  {\"a\": 1}")));
    }

    #[test]
    fn plain_scalars_have_the_types_of_yaml_1_1() {
        assert_eq!(json("[yes, Off, y, n, ~, '', \"yes\"]"), r#"[true,false,"y","n",null,"","yes"]"#);
        assert_eq!(json("- 010\n- 0x1F\n- 0b101\n- 1_000\n- 089\n- +5\n- -7"), "[8,31,5,1000,89,5,-7]");
        assert_eq!(json("- 1.5\n- 3.0\n- 1e3\n- .5\n- 1.2.3\n- 1.2.3.4:80"), r#"[1.5,3.0,1000.0,0.5,"1.2.3","1.2.3.4:80"]"#);
        assert_eq!(json("- 1:30\n- 'a'\n- !!str 3\n- !!int '4'\n- a:80\n- 1:75"), r#"[90,"a","3",4,"a:80","1:75"]"#);
    }

    #[test]
    fn what_is_given_beats_what_is_merged_whatever_the_order() {
        let text = "one: &one {a: 1, b: 1}\ntwo: &two {b: 2, c: 2}\nall:\n  b: 0\n  <<: [*one, *two]\n  d: 4\n";
        let node = json(text);
        assert!(node.ends_with(r#""all":{"a":1,"b":0,"c":2,"d":4}}"#), "{node}");
    }

    #[test]
    fn only_the_first_document_counts() {
        assert_eq!(json("a: 1\n---\nb: [\n"), r#"{"a":1}"#);
    }

    #[test]
    fn of_equal_keys_the_last_one_counts_behind_the_translation() {
        let text = json("a: 1\na: 2\n");
        assert_eq!(tree::parse(&text, 0).unwrap().member("a"), Some(&tree::Node::Number(tree::Number::Integer(2))));
    }

    #[test]
    fn a_tab_cannot_indent() {
        assert!(as_json(b"services:\n\t- name: a\n").is_err());
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..40 {
            let alias = format!("*a{}", level - 1);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 10].join(",")));
        }
        assert!(as_json(text.as_bytes()).unwrap_err().to_string().contains("unfold"));
    }

    #[test]
    fn a_bomb_of_merges_is_refused() {
        let members: String = (0..2000).map(|key| format!("  k{key}: x\n")).collect();
        let merges: String = (0..2000).map(|key| format!("m{key}: {{<<: *all}}\n")).collect();
        let bomb = format!("all: &all\n{members}{merges}");
        assert!(as_json(bomb.as_bytes()).unwrap_err().to_string().contains("merges unfold"));
    }

    #[test]
    fn a_chain_of_aliases_counts_as_depth() {
        let mut text = String::from("a0: &a0 [x]\n");
        for level in 1..100_000 {
            text.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        }
        assert!(as_json(text.as_bytes()).unwrap_err().to_string().contains("levels deep"));
        assert!(as_json("- ".repeat(5000).as_bytes()).is_err());
    }

    #[test]
    fn an_alias_inside_what_it_names_is_refused() {
        assert!(as_json(b"a: &a\n  b: *a\n").is_err());
    }

    #[test]
    fn an_empty_document_is_refused() {
        for text in ["", "  \n", "# only a comment\n", "---\n...\n"] {
            let made = as_json(text.as_bytes());
            assert!(made.is_err() || made.unwrap() == "null", "{text:?}");
        }
    }

    fn json(text: &str) -> String {
        translate(text).unwrap()
    }
}
