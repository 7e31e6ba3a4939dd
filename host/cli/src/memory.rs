//! How the C library's allocator behaves in this process.
//!
//! By default it has eight arenas for each processor, and what is freed in one is not used for another: an export, whose threads come and go, took up to a
//! third more than it does with two, and was no faster. An import was slower by a fifth with two: one thread makes what all others let go, and they wait for each
//! other. So that one keeps what the library has.

/// Two arenas for each processor. To be called before there are other threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn take_less() {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let arenas = i32::try_from(2 * processors).unwrap_or(i32::MAX);
    // A person's own setting goes before ours.
    if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
        // SAFETY: `mallopt` takes two numbers and touches nothing but the allocator's own settings, which no other thread reads: there is none yet.
        // What it answers (whether it took the setting) changes nothing here: without it the process takes more memory.
        #[expect(unsafe_code, reason = "a setting of the C library has no safe form; see the comment above")]
        let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, arenas) };
    }
}

/// Other allocators are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn take_less() {}
