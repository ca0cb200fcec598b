//! Discrete-event simulator of moving resources for the policies of Supple
