//! Every way to read a table that has the key `id` and the Unix time `seen`, for what has to hold in all of them.

/// A name, and the lines that make an export read so.
pub const MODES: [(&str, &str); 6] = [
    ("full", ""),
    ("incremental", "    mode: incremental\n    cursor_column: id\n"),
    ("time_window", "    mode: time_window\n    time_column: seen\n    time_column_type: unix\n    days_window: 1\n"),
    ("chunked", "    mode: chunked\n    chunk_column: id\n    chunk_size: 8000\n"),
    ("chunked by two", "    mode: chunked\n    chunk_column: id\n    chunk_size: 8000\n    parallel: 2\n"),
    ("dense", "    mode: chunked\n    chunk_column: id\n    chunk_size: 8000\n    chunk_dense: true\n"),
];

/// A Unix time far from now, as `seen`: every window reaches it.
pub const SEEN: u64 = 4_000_000_000;
