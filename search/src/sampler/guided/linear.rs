//! The little linear algebra that a fit needs: the Cholesky factor of a symmetric matrix.

/// Pivots are at least this: a matrix that is singular to rounding is taken for one that is not.
const LEAST_PIVOT: f64 = 1e-12;

/// A lower triangle L with L L' = the matrix; row-major.
#[derive(Clone, Debug)]
pub(super) struct Cholesky {
    size: usize,
    lower: Vec<f64>,
}

impl Cholesky {
    /// The factor of `matrix + shift * identity`, of whose `matrix` the lower triangle is read, and the logarithm of the determinant.
    pub(super) fn of(matrix: &[f64], size: usize, shift: f64) -> (Self, f64) {
        let mut lower = matrix.to_vec();
        let mut determinant = 0.0;
        for row in 0..size {
            let (above, this) = lower.split_at_mut(row * size);
            for column in 0..row {
                let other = &above[column * size..=column * size + column];
                this[column] = (this[column] - dot(&this[..column], &other[..column])) / other[column];
            }
            let pivot = (this[row] + shift - dot(&this[..row], &this[..row])).max(LEAST_PIVOT);
            this[row] = libm::sqrt(pivot);
            determinant += libm::log(pivot);
        }
        (Self { size, lower }, determinant)
    }

    /// Solves L x = right, in place.
    pub(super) fn forward(&self, right: &mut [f64]) {
        for row in 0..self.size {
            let lower = &self.lower[row * self.size..=row * self.size + row];
            right[row] = (right[row] - dot(&lower[..row], &right[..row])) / lower[row];
        }
    }

    /// Solves L' x = right, in place.
    pub(super) fn backward(&self, right: &mut [f64]) {
        for row in (0..self.size).rev() {
            let lower = &self.lower[row * self.size..=row * self.size + row];
            right[row] /= lower[row];
            let value = right[row];
            right[..row].iter_mut().zip(lower).for_each(|(right, lower)| *right -= lower * value);
        }
    }
}

/// The product of two vectors of the same length, in eight sums that a processor adds side by side.
fn dot(one: &[f64], other: &[f64]) -> f64 {
    let (one, one_rest) = one.as_chunks::<8>();
    let (other, other_rest) = other.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (one, other) in one.iter().zip(other) {
        for lane in 0..8 {
            sums[lane] += one[lane] * other[lane];
        }
    }
    let rest: f64 = one_rest.iter().zip(other_rest).map(|(one, other)| one * other).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_solves_what_it_factors(size in 1_usize..30, entries in proptest::collection::vec(-1.0..1.0_f64, 900)) {
            // B B' is symmetric and not negative.
            let b = |row: usize, column: usize| entries[row * 30 + column];
            let product = |row: usize, column: usize| (0..size).map(|at| b(row, at) * b(column, at)).sum::<f64>();
            let matrix: Vec<f64> = (0..size * size).map(|at| product(at / size, at % size)).collect();
            let (factor, determinant) = Cholesky::of(&matrix, size, 0.5);
            let mut solved: Vec<f64> = entries[..size].to_vec();
            factor.forward(&mut solved);
            factor.backward(&mut solved);
            for row in 0..size {
                let back: f64 = (0..size).map(|at| matrix[row * size + at] * solved[at]).sum::<f64>() + 0.5 * solved[row];
                prop_assert!((back - entries[row]).abs() < 1e-9);
            }
            let diagonal: f64 = (0..size).map(|row| 2.0 * factor.lower[row * size + row].ln()).sum();
            prop_assert!((diagonal - determinant).abs() < 1e-9);
        }
    }
}
