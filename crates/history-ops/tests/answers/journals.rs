//! Files that are given as a journal.
