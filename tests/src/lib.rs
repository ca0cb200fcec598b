//! Tests of Supple that need the whole
