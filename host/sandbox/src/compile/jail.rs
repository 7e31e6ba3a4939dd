//! What the process that compiles gives up before it looks at a component: time, memory, files, the network, other programs.
//!
//! Limits of the operating system hold on every Unix. On Linux a filter of system calls stands behind them: what a compiler with its input in memory
//! has no use for is refused, so the list below is all that it can ask of the kernel.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};

/// From here on this process can compile and answer, and nothing else.
pub fn enter(time: Duration, memory: u64) -> std::io::Result<()> {
    let limit = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    // Whole seconds of a processor, over all threads. The parent's clock is the finer one.
    limit(Resource::Cpu, time.as_secs().max(1))?;
    limit(Resource::As, memory)?;
    // No core file: it would hold a tenant's module in clear.
    limit(Resource::Core, 0)?;
    // After what serves other tenants, and not so far after that a busy node compiles nothing any more.
    rustix::process::nice(10)?;
    // Pipes are no files: the answer is not counted.
    limit(Resource::Fsize, 0)?;
    filter()
}

#[cfg(target_os = "linux")]
fn filter() -> std::io::Result<()> {
    use std::collections::BTreeMap;

    use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule};

    // A parent that is gone wants no answer.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let failed = |error: &dyn std::fmt::Display| std::io::Error::other(format!("system calls can't be filtered: {error}"));
    let arch = std::env::consts::ARCH.try_into().map_err(|error: seccompiler::BackendError| failed(&error))?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    // Threads and no processes, which would have a limit of processor time of their own; and signals for itself alone.
    let threads = (libc::CLONE_THREAD | libc::CLONE_VM).unsigned_abs().into();
    let only = |argument, operator, value| {
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operator, value).map_err(|error| failed(&error))?;
        SeccompRule::new(vec![condition]).map_err(|error| failed(&error))
    };
    rules.insert(libc::SYS_clone, vec![only(0, SeccompCmpOp::MaskedEq(threads), threads)?]);
    let own = u64::try_from(rustix::process::getpid().as_raw_nonzero().get()).map_err(std::io::Error::other)?;
    rules.insert(libc::SYS_tgkill, vec![only(0, SeccompCmpOp::Eq, own)?]);
    // What it is asked for stands in memory, where a filter can't look: without it the C library takes the other.
    let unknown = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let no_clone3 =
        SeccompFilter::new([(libc::SYS_clone3, Vec::new())].into(), SeccompAction::Allow, unknown, arch).map_err(|error| failed(&error))?;
    let program: BpfProgram = no_clone3.try_into().map_err(|error: seccompiler::BackendError| failed(&error))?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| failed(&error))?;
    // Refused rather than killed: the standard library asks for this and that (how many processors there are, say) and does without an answer.
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch).map_err(|error| failed(&error))?;
    let program: BpfProgram = filter.try_into().map_err(|error: seccompiler::BackendError| failed(&error))?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| failed(&error))
}

#[cfg(not(target_os = "linux"))]
fn filter() -> std::io::Result<()> {
    Ok(())
}

/// Memory, threads, and the pipes that are open already.
#[cfg(target_os = "linux")]
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    // `clone` and `tgkill` with conditions, see above.
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    /// In a process of its own: what is given up does not come back. The test runs itself again with a variable set, and what it then tries there
    /// stands in its exit code.
    #[test]
    fn nothing_is_left_but_memory_and_threads() {
        if std::env::var_os("CONSIGN_TEST_JAIL").is_some() {
            super::enter(std::time::Duration::from_secs(5), 1 << 30).unwrap();
            let refused = |error: std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
            let file = std::fs::read("/etc/passwd").is_err_and(refused);
            let network = std::net::TcpStream::connect("127.0.0.1:9").is_err_and(refused);
            let program = std::process::Command::new("/bin/true").status().is_err();
            // SAFETY: the child of a fork, were there one, ends at once and touches nothing.
            #[expect(unsafe_code, reason = "the library has no safe form, and this must fail")]
            let fork = match unsafe { libc::fork() } {
                0 => std::process::exit(0),
                process => process < 0,
            };
            let threads = std::thread::spawn(|| vec![1_u8; 1 << 20].len()).join().is_ok_and(|length| length == 1 << 20);
            let memory = Vec::<u8>::new().try_reserve(2 << 30).is_err();
            let code = [file, network, program, threads, memory, fork].iter().enumerate().fold(0, |code, (bit, held)| code | i32::from(!held) << bit);
            std::process::exit(if code == 0 { 77 } else { code });
        }
        let name = "compile::jail::tests::nothing_is_left_but_memory_and_threads";
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env("CONSIGN_TEST_JAIL", "1")
            .status()
            .unwrap();
        assert_eq!(
            status.code(),
            Some(77),
            "the bits say which was not refused: file, network, program; which did not work: threads; not refused: memory, another process"
        );
    }
}
