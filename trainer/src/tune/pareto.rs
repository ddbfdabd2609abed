//! Which trials no other beats: a trial dominates another if it is no worse in any objective and better in one.

/// Whether costs `a` dominate costs `b`.
fn dominates(a: &[f64], b: &[f64]) -> bool {
    let mut pairs = a.iter().zip(b);
    a.iter().zip(b).all(|(a, b)| a <= b) && pairs.any(|(a, b)| a < b)
}

/// The number of each one's front: 0 for those that nothing dominates, 1 for those that only they dominate, and so on
/// (Deb et al. 2002, NSGA-II).
#[must_use]
pub fn fronts(costs: &[Vec<f64>]) -> Vec<usize> {
    let mut fronts = vec![usize::MAX; costs.len()];
    let mut left: Vec<usize> = (0..costs.len()).collect();
    for number in 0.. {
        if left.is_empty() {
            break;
        }
        let is_free = |&&one: &&usize| !left.iter().any(|&other| dominates(&costs[other], &costs[one]));
        let free: Vec<usize> = left.iter().filter(is_free).copied().collect();
        free.iter().for_each(|&one| fronts[one] = number);
        left.retain(|one| !free.contains(one));
    }
    fronts
}

/// Those that nothing dominates.
#[must_use]
pub fn front(costs: &[Vec<f64>]) -> Vec<usize> {
    fronts(costs).iter().enumerate().filter(|&(_, &number)| number == 0).map(|(one, _)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fronts_are_peeled_off_one_by_one() {
        let costs = [[1.0, 4.0], [2.0, 2.0], [4.0, 1.0], [3.0, 3.0], [4.0, 4.0], [2.0, 2.0]].map(|c| c.to_vec());
        assert_eq!(fronts(&costs), [0, 0, 0, 1, 2, 0]);
        assert_eq!(front(&costs), [0, 1, 2, 5]);
        assert!(fronts(&[]).is_empty());
        // What was not measured is worst, yet no two such stand in each other's way.
        assert_eq!(fronts(&[vec![f64::INFINITY], vec![1.0], vec![f64::INFINITY]]), [1, 0, 1]);
    }
}
