//! Randomness as a function: every random number of a trial is named by what it is for, so that a resumed training needs no
//! state of a generator and draws the same numbers on every device.

use nas_search::RandomStream;

/// What random numbers are for; each purpose has streams of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Initial values of the variable with this index.
    Weights,
    /// Order of the training images in this epoch.
    Order,
    /// Crops, flips and cutouts of this batch.
    Augmentation,
    /// Which edges are dropped in this batch.
    DropPath,
    /// Which images are held out, of the class with this index.
    Split,
}

/// The endless stream of numbers named by (seed, purpose, index).
pub struct Stream(RandomStream);

impl Stream {
    /// The stream's beginning.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let purpose = match purpose {
            Purpose::Weights => *b"weights ",
            Purpose::Order => *b"order   ",
            Purpose::Augmentation => *b"augment ",
            Purpose::DropPath => *b"droppath",
            Purpose::Split => *b"split   ",
        };
        Self(RandomStream::named(seed, purpose, index))
    }

    /// A number uniform in [0, 1), a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        self.0.unit()
    }

    /// A whole number uniform in 0..`bound` (to 1 in 2^32 for the small bounds of images).
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// True with probability `probability`.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Puts `items` into an order uniform among all.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.0.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_in_seed_purpose_and_index_and_repeat_when_named_again() {
        let first = |seed, purpose, index| Stream::new(seed, purpose, index).unit().to_bits();
        let reference = first(1, Purpose::Order, 2);
        assert_eq!(reference, first(1, Purpose::Order, 2));
        for other in [first(2, Purpose::Order, 2), first(1, Purpose::DropPath, 2), first(1, Purpose::Order, 3)] {
            assert_ne!(reference, other);
        }
    }

    #[test]
    fn a_shuffle_keeps_every_item_and_each_place_is_as_likely() {
        let mut counts = [[0_u32; 4]; 4];
        for index in 0..4000 {
            let mut items = [0_usize, 1, 2, 3];
            Stream::new(7, Purpose::Order, index).shuffle(&mut items);
            for (place, item) in items.into_iter().enumerate() {
                counts[item][place] += 1;
            }
        }
        // 1000 expected, standard deviation 27.
        assert!(counts.iter().flatten().all(|count| (860..1140).contains(count)), "{counts:?}");
    }

    #[test]
    fn whole_numbers_reach_both_ends() {
        let mut stream = Stream::new(3, Purpose::Augmentation, 0);
        let drawn: Vec<u32> = (0..500).map(|_| stream.below(9)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&0), Some(&8)));
    }
}
