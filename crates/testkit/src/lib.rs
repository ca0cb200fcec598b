//! Proptest generators and laws for policies, solvers and graphs of Supple
