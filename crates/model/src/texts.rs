//! A text in several languages, and which of them a reader gets.

use crate::bytes::{Corrupt, Reader, Writer};

/// Language tag (BCP 47, lower case) to text, sorted by tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    entries: Vec<(Box<str>, Box<str>)>,
}

impl Texts {
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Texts {
        let mut entries: Vec<(Box<str>, Box<str>)> = pairs
            .into_iter()
            .map(|(tag, text)| (tag.to_ascii_lowercase().into(), text.into()))
            .collect();
        entries.sort();
        entries.dedup_by(|later, earlier| later.0 == earlier.0);
        Texts { entries }
    }

    pub fn en(text: &str) -> Texts {
        Texts { entries: vec![("en".into(), text.into())] }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The text for `locale`: itself, then its language, then English, then the first there is.
    pub fn get(&self, locale: &str) -> &str {
        let language = locale.split(['-', '_']).next().unwrap_or_default();
        self.exact(locale)
            .or_else(|| self.exact(language))
            .or_else(|| self.exact("en"))
            .or_else(|| self.entries.first().map(|(_, text)| &**text))
            .unwrap_or_default()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.entries.iter().map(|(tag, text)| (&**tag, &**text))
    }

    pub fn write(&self, out: &mut Writer) {
        out.list(self.entries.iter(), |out, (tag, text)| {
            out.text(tag);
            out.text(text);
        });
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Texts, Corrupt> {
        let entries = input.list(|input| Ok((input.text()?.into(), input.text()?.into())))?;
        Ok(Texts { entries })
    }

    fn exact(&self, tag: &str) -> Option<&str> {
        self.entries.iter().find(|(own, _)| own.eq_ignore_ascii_case(tag)).map(|(_, text)| &**text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_the_nearest_language() {
        let both = Texts::new([("en".into(), "Fix".into()), ("de".into(), "Beheben".into())]);
        assert_eq!(both.get("de-AT"), "Beheben");
        assert_eq!(both.get("fr"), "Fix");
        assert_eq!(Texts::new([("fr".into(), "Régler".into())]).get("de"), "Régler");
        assert_eq!(Texts::default().get("de"), "");
    }
}
