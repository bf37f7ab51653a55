//! What a panic means. libtorch throws an exception for what it cannot do, memory included, and `tch` turns it into a panic.

use nas_api::contract::Exit;

/// How the CPU allocator, CUDA's, C++ and the libraries of CUDA say that there is no memory left, in small letters.
const NO_MEMORY: [&str; 6] =
    ["out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory", "bad_alloc", "status_alloc_failed"];

/// Characters of libtorch's own words in a message: with what stands before them, less than the 400 that a reader keeps.
const WORDS: usize = 200;

/// The exit code after a panic with these words, and what a person should read.
pub fn read_panic(message: Option<&str>) -> (Exit, String) {
    let message = message.unwrap_or("a panic without a message");
    // `tch` unwraps an exception in its debug form; behind the first line stands a list of C++ addresses.
    let words = message.split_once("Torch(\"").map_or(message, |(_, exception)| exception);
    let words = words.split("\\n").next().unwrap_or_default().trim_end_matches("\")");
    let small = message.to_lowercase();
    if NO_MEMORY.iter().any(|known| small.contains(known)) {
        let words: String = words.chars().take(WORDS).collect();
        let cure = "take a smaller global_batch_size, fewer init_channels or layers, or give the trial more memory";
        return (Exit::OutOfMemory, format!("out of memory: {cure}; libtorch says: {words}"));
    }
    (Exit::Other(1), words.chars().take(5 * WORDS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_memory_is_told_from_other_panics_and_the_cure_stands_within_what_is_kept() {
        for words in [
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 61 bytes.",
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 1.00 GiB is free.",
            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            "std::bad_alloc",
        ] {
            let panic =
                format!("called `Result::unwrap()` on an `Err` value: Torch(\"{words}\\nframe #0: {}\")", "x".repeat(9999));
            let (exit, message) = read_panic(Some(&panic));
            assert_eq!(exit, Exit::OutOfMemory, "{words}");
            assert!(
                message.len() < 400 && message.contains("smaller global_batch_size") && message.ends_with(words),
                "{message}"
            );
        }
        let (exit, message) = read_panic(Some("called `Result::unwrap()` on an `Err` value: Torch(\"shapes differ\")"));
        assert_eq!((exit, message.as_str()), (Exit::Other(1), "shapes differ"));
        assert_eq!(read_panic(None).0, Exit::Other(1));
    }
}
