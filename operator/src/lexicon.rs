//! The names and texts of configurations, each kept once, however many trials have it: most of what a large search keeps in memory.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use nas_search::{Assignment, Scalar};

/// Fewer words are kept in any case.
const FEW: usize = 1024;

#[derive(Default)]
pub(crate) struct Lexicon(Mutex<Words>);

#[derive(Default)]
struct Words {
    known: HashSet<Arc<str>>,
    /// When there are so many, those that nobody uses any more go.
    limit: usize,
}

impl Lexicon {
    /// The same configuration, in words that others share.
    pub(crate) fn share(&self, assignment: &Assignment) -> Assignment {
        let mut words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = assignment.iter().map(|(name, value)| {
            let value = match value {
                Scalar::Text(text) => Scalar::Text(words.shared(text)),
                value => value.clone(),
            };
            (words.shared(name), value)
        });
        shared.collect()
    }
}

impl Words {
    fn shared(&mut self, word: &Arc<str>) -> Arc<str> {
        if let Some(known) = self.known.get(word) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.limit {
            self.known.retain(|word| Arc::strong_count(word) > 1);
            self.limit = (2 * self.known.len()).max(FEW);
        }
        self.known.insert(Arc::clone(word));
        Arc::clone(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_once_and_as_long_as_somebody_uses_them() {
        let lexicon = Lexicon::default();
        let of = |name: String, text: &str| Assignment::from([(name.into(), Scalar::from(text)), ("n".into(), 1.into())]);
        let both = [0, 1].map(|_| lexicon.share(&of("op".to_owned(), "skip")));
        assert_eq!(both[0], of("op".to_owned(), "skip"));
        let words = |assignment: &Assignment| {
            let texts = assignment.values().filter_map(|value| if let Scalar::Text(text) = value { Some(text) } else { None });
            assignment.keys().chain(texts).map(|word| Arc::as_ptr(word).cast::<u8>()).collect::<Vec<_>>()
        };
        assert_eq!(words(&both[0]), words(&both[1]));
        for at in 0..5 * FEW {
            drop(lexicon.share(&of(format!("p{at}"), "x")));
        }
        let left = lexicon.0.lock().unwrap_or_else(PoisonError::into_inner).known.len();
        assert!(left <= FEW + 4, "{left}");
    }
}
