//! CPU kernels of Supple that run prefixes of weights without copying them
