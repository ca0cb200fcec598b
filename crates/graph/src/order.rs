//! An order in which nodes can run.
use petgraph::algo::toposort;
use petgraph::graph::{DiGraph, NodeIndex};

/// The nodes `0..count` in an order in which each comes behind all that it reads, as near to the order of their numbers as that allows, from the pairs of
/// a reader and what it reads, all below `count`.
///
/// # Errors
/// A node of a cycle.
pub(crate) fn order(count: usize, reads: impl Iterator<Item = (usize, usize)>) -> Result<Vec<usize>, usize> {
    let mut wired = DiGraph::<(), ()>::with_capacity(count, reads.size_hint().0);
    (0..count).for_each(|_| _ = wired.add_node(()));
    wired.extend_with_edges(reads.map(|(reader, read)| (NodeIndex::new(reader), NodeIndex::new(read))));
    let order = toposort(&wired, None).map_err(|cycle| cycle.node_id().index())?;
    Ok(order.into_iter().rev().map(NodeIndex::index).collect())
}

#[cfg(test)]
mod tests {
    use super::order;

    fn ordered(count: usize, reads: &[(usize, usize)]) -> Result<Vec<usize>, usize> {
        order(count, reads.iter().copied())
    }

    #[test]
    fn what_is_in_order_stays_and_the_rest_moves_no_further_than_it_must() {
        assert_eq!(ordered(4, &[(1, 0), (3, 1), (3, 2)]), Ok(vec![0, 1, 2, 3]));
        assert_eq!(ordered(5, &[(1, 4), (4, 0), (2, 1), (4, 3)]), Ok(vec![0, 3, 4, 1, 2]));
        assert_eq!(ordered(0, &[]), Ok(Vec::new()));
    }

    #[test]
    fn a_cycle_is_told_by_one_of_its_nodes() {
        assert_eq!(ordered(2, &[(1, 1)]), Err(1));
        assert!(matches!(ordered(5, &[(1, 0), (2, 1), (3, 2), (1, 3), (4, 3)]), Err(1..=3)));
    }
}
