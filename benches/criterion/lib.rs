//! Nothing to use: the member holds `benches/word_count.rs`.
