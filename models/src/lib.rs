//! Models and data of Supple: elastic MLP, CNN and character transformer; glyphs and sums
