//! Runs a captured graph on Burn at any setting: prefix execution, nested training, profiling
