//! The names and texts of configurations, each kept once, however many trials have it: otherwise most of what a large search keeps in memory.

use std::{collections::HashSet, hash::Hash, sync::Arc};

use crate::{Assignment, Scalar};

/// Names and texts that configurations share.
#[derive(Debug, Default)]
pub struct Lexicon {
    words: Known<Arc<str>>,
    lists: Known<Arc<[Arc<str>]>>,
}

impl Lexicon {
    /// The same configuration, in words that others share.
    pub fn share(&mut self, assignment: &Assignment) -> Assignment {
        let names = match self.lists.get(&*assignment.names) {
            Some(names) => names,
            None => self.lists.keep(assignment.names.iter().map(|name| self.words.shared(name)).collect()),
        };
        let value = |value: &Scalar| match value {
            Scalar::Text(text) => Scalar::Text(self.words.shared(text)),
            value => value.clone(),
        };
        Assignment { names, values: assignment.values.iter().map(value).collect() }
    }
}

/// What somebody uses, each once.
#[derive(Debug)]
struct Known<T> {
    all: HashSet<T>,
    /// When there are so many, those that nobody uses any more go.
    limit: usize,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { all: HashSet::new(), limit: FEW }
    }
}

/// Fewer are kept in any case.
const FEW: usize = 1024;

impl<V: ?Sized + Hash + Eq> Known<Arc<V>> {
    fn get(&self, wanted: &V) -> Option<Arc<V>> {
        self.all.get(wanted).cloned()
    }

    fn keep(&mut self, new: Arc<V>) -> Arc<V> {
        if self.all.len() >= self.limit {
            self.all.retain(|known| Arc::strong_count(known) > 1);
            self.limit = (2 * self.all.len()).max(FEW);
        }
        self.all.insert(Arc::clone(&new));
        new
    }

    fn shared(&mut self, word: &Arc<V>) -> Arc<V> {
        self.get(word).unwrap_or_else(|| self.keep(Arc::clone(word)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_once_and_as_long_as_somebody_uses_them() {
        let mut lexicon = Lexicon::default();
        let of = |name: String, text: &str| Assignment::from([(name.into(), Scalar::from(text)), ("n".into(), 1.into())]);
        let both = [0, 1].map(|_| lexicon.share(&of("op".to_owned(), "skip")));
        assert_eq!(both[0], of("op".to_owned(), "skip"));
        assert!(Arc::ptr_eq(&both[0].names, &both[1].names));
        let text = |assignment: &Assignment| assignment["op"].as_text().map(str::as_ptr);
        assert_eq!(text(&both[0]), text(&both[1]));
        for at in 0..5 * FEW {
            drop(lexicon.share(&of(format!("p{at}"), &format!("t{at}"))));
        }
        assert!(lexicon.lists.all.len() <= FEW + 1, "{}", lexicon.lists.all.len());
        // Lists that are known and not used keep their words until they go.
        assert!(lexicon.words.all.len() <= 4 * FEW, "{}", lexicon.words.all.len());
    }
}
