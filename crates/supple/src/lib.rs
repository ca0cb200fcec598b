//! Deep learning that fits the moment: one set of weights at any degree of sparsity
