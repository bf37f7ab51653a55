//! Data sets that the trainer can fetch, since their files and digests are known.

use std::str::FromStr;

use thiserror::Error;

use crate::objects::ImageShape;

/// A published data set. Its name is that of its folder, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishedSet {
    /// CIFAR-10.
    Cifar10,
    /// CIFAR-100.
    Cifar100,
    /// MNIST.
    Mnist,
    /// Fashion-MNIST.
    FashionMnist,
}

impl PublishedSet {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cifar10, Self::Cifar100, Self::Mnist, Self::FashionMnist];

    /// Its name in an experiment and on the trainer's command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
        }
    }

    /// All names, for people.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Size of its images and number of its classes.
    pub const fn shape(self) -> ImageShape {
        let (channels, side, classes) = match self {
            Self::Cifar10 => (3, 32, 10),
            Self::Cifar100 => (3, 32, 100),
            Self::Mnist | Self::FashionMnist => (1, 28, 10),
        };
        ImageShape { channels, height: side, width: side, classes }
    }
}

/// A name that is not the one of a published data set.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name:?} is not a data set that can be fetched; known are {}", PublishedSet::names())]
pub struct NotPublished {
    /// The name.
    pub name: String,
}

impl FromStr for PublishedSet {
    type Err = NotPublished;

    fn from_str(name: &str) -> Result<Self, NotPublished> {
        Self::ALL.into_iter().find(|set| set.name() == name).ok_or_else(|| NotPublished { name: name.to_owned() })
    }
}
