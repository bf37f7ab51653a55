//! Where the known data sets are published, and what is there.

use nas_api::PublishedSet;

/// A data set as somebody publishes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its name, and that of its folder.
    pub name: String,
    /// Address of the folder that holds the files.
    pub url: String,
    /// Images in all.
    pub images: usize,
    /// What is there: files as they are read, or archives of them (`.tar.gz`).
    pub files: Vec<PublishedFile>,
}

/// A file as somebody publishes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedFile {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// The publisher of CIFAR; `<https://www.cs.toronto.edu/~kriz/cifar.html>` gives MD5 sums, which these archives have.
const CIFAR: &str = "https://www.cs.toronto.edu/~kriz";
/// A copy of MNIST that its readers use since its own page stopped serving files.
const MNIST: &str = "https://storage.googleapis.com/cvdf-datasets/mnist";
/// The publisher's own address has no TLS; the digests make that harmless.
const FASHION_MNIST: &str = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com";

impl Published {
    /// What the publisher of a data set offers.
    pub fn by_its_publisher(set: PublishedSet) -> Self {
        let (url, images, files): (_, _, &[(&str, u64, &str)]) = match set {
            PublishedSet::Cifar10 => (
                CIFAR,
                60_000,
                &[("cifar-10-binary.tar.gz", 170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd")],
            ),
            PublishedSet::Cifar100 => (
                CIFAR,
                60_000,
                &[("cifar-100-binary.tar.gz", 168_513_733, "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec")],
            ),
            PublishedSet::Mnist => (
                MNIST,
                70_000,
                &[
                    ("train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
                    ("train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
                    ("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
                    ("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
                ],
            ),
            PublishedSet::FashionMnist => (
                FASHION_MNIST,
                70_000,
                &[
                    (
                        "train-images-idx3-ubyte.gz",
                        26_421_880,
                        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                    ),
                    ("train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
                    ("t10k-images-idx3-ubyte.gz", 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
                    ("t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
                ],
            ),
        };
        let file = |&(name, bytes, sha256): &(&str, u64, &str)| PublishedFile {
            name: name.to_owned(),
            bytes,
            sha256: sha256.to_owned(),
        };
        Self { name: set.name().to_owned(), url: url.to_owned(), images, files: files.iter().map(file).collect() }
    }
}
