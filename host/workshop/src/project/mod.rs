//! A filter's project on a laptop: making one, what of the toolchain is missing, building it.
