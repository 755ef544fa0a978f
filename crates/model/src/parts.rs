//! In which part of a divided table a key goes. The parts are of unequal size, the largest twice
//! the smallest, so that they grow one after another: a table that doubles when it is full takes
//! half as much again as it needs, whatever it holds, and never twice as much all at once.

/// The part for sixteen bits of a key's hash; the first is the largest.
pub fn part_of(hash: u16, parts: usize) -> usize {
    let hash = u64::from(hash);
    // Close to the logarithm of 1 + hash, both between 0 and 1; the multiplier is 0.344 of 2^16.
    let even = hash + ((hash * ((1 << 16) - hash) * 22_544) >> 32);
    (even as usize * parts) >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(parts: usize) -> Vec<usize> {
        let mut sizes = vec![0; parts];
        (0..=u16::MAX).for_each(|hash| sizes[part_of(hash, parts)] += 1);
        sizes
    }

    #[test]
    fn the_largest_is_twice_the_smallest() {
        for parts in [64, 256] {
            let sizes = sizes(parts);
            let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            let times = *most as f64 / *least as f64;
            assert!((1.9..2.2).contains(&times), "{least} to {most}");
        }
    }

    #[test]
    fn what_they_take_together_grows_evenly() {
        let sizes = sizes(64);
        // A table has room for seven eighths of a power of two.
        let taken = |count: f64| -> f64 {
            let share = count / 65_536.0;
            sizes.iter().map(|size| (*size as f64 * share * 8.0 / 7.0).log2().ceil().exp2()).sum()
        };
        let each: Vec<f64> = (0..40).map(|step| 1e6 * (f64::from(step) / 40.0).exp2()).collect();
        let times: Vec<f64> = each.iter().map(|count| taken(*count) / count).collect();
        let all_at_once = |count: f64| (count * 8.0 / 7.0).log2().ceil().exp2() / count;
        assert!(each.iter().any(|count| all_at_once(*count) > 2.2), "they show the difference");
        assert!(times.iter().all(|times| (1.5..1.75).contains(times)), "{times:?}");
    }
}
