"""A profile of system calls as Docker's own are: what programs need is allowed, and all else refused.

It has every field that the form knows, and is long enough that the kernel's program is one of real size.
"""

from __future__ import annotations

import json
from typing import Any, Final

_PROCESSES = """
    arch_prctl capget capset clone clone3 execve execveat exit exit_group fork futex futex_waitv get_robust_list
    get_thread_area getegid geteuid getgid getgroups getpgid getpgrp getpid getppid getpriority getresgid getresuid
    getrlimit getrusage getsid gettid getuid kill pidfd_open pidfd_send_signal prctl prlimit64 restart_syscall rseq
    sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler
    sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield set_robust_list set_thread_area
    set_tid_address setfsgid setfsuid setgid setgroups setpgid setpriority setregid setresgid setresuid setreuid
    setrlimit setsid setuid tgkill times tkill umask uname vfork wait4 waitid waitpid
"""
_SIGNALS_AND_TIME = """
    alarm clock_getres clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday
    nanosleep pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_tgsigqueueinfo setitimer sigaltstack sigreturn signalfd signalfd4 time timer_create timer_delete timer_getoverrun
    timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime
"""
_MEMORY = """
    brk get_mempolicy madvise membarrier memfd_create mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap msync
    munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect set_mempolicy shmat shmctl shmdt shmget
"""
_FILES = """
    access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
    fallocate fchdir fchmod fchmodat fchown fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fremovexattr
    fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64
    getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl lchown lgetxattr link linkat listxattr
    llistxattr lremovexattr lseek _llseek lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat newfstatat open openat
    openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr rename
    renameat renameat2 rmdir sendfile sendfile64 setxattr splice stat stat64 statfs statfs64 statx symlink symlinkat
    sync sync_file_range syncfs tee truncate truncate64 unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice
    write writev
"""
_TALK = """
    accept accept4 bind connect epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd
    eventfd2 getpeername getrandom getsockname getsockopt listen mq_getsetattr mq_notify mq_open mq_timedreceive
    mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 poll ppoll pselect6 recvfrom recvmmsg recvmsg
    select semctl semget semop semtimedop sendmmsg sendmsg sendto setsockopt shutdown socketpair sysinfo
"""
_VSOCK: Final = 40
_NAMESPACES: Final = 0x7E020000
"""CLONE_NEWNS and its like."""
_EQUAL: Final = {"index": 0, "op": "SCMP_CMP_EQ"}


def _rule(names: str, action: str = "SCMP_ACT_ALLOW", **more: Any) -> dict[str, Any]:  # Any: JSON
    return {"names": names.split(), "action": action, **more}


def docker_profile() -> str:
    """The profile, as JSON."""
    calls = " ".join((_PROCESSES, _SIGNALS_AND_TIME, _MEMORY, _FILES, _TALK))
    allowed = " ".join(name for name in calls.split() if name not in ("clone", "clone3"))
    no_namespaces = {"index": 0, "value": _NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    return json.dumps(
        {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 1,
            "archMap": [
                {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
                {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
                {"architecture": "SCMP_ARCH_S390X", "subArchitectures": ["SCMP_ARCH_S390"]},
                {"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": None},
            ],
            "syscalls": [
                _rule(allowed),
                _rule("process_vm_readv process_vm_writev ptrace", includes={"minKernel": "4.8"}),
                _rule("socket", args=[{"index": 0, "value": _VSOCK, "op": "SCMP_CMP_NE"}]),
                *(_rule("personality", args=[{**_EQUAL, "value": value}]) for value in (0, 8, 0x20000, 0xFFFFFFFF)),
                _rule("sync_file_range2 breakpoint cacheflush", includes={"arches": ["arm", "arm64"]}),
                _rule(
                    "bpf clone clone3 fsopen mount mount_setattr quotactl setns sethostname umount umount2 unshare",
                    includes={"caps": ["CAP_SYS_ADMIN"]},
                ),
                _rule("clone", args=[no_namespaces], excludes={"caps": ["CAP_SYS_ADMIN"], "arches": ["s390", "s390x"]}),
                _rule(
                    "clone",
                    args=[{**no_namespaces, "index": 1}],
                    comment="the flags come second there",
                    includes={"arches": ["s390", "s390x"]},
                    excludes={"caps": ["CAP_SYS_ADMIN"]},
                ),
                _rule("clone3", "SCMP_ACT_ERRNO", errnoRet=38, excludes={"caps": ["CAP_SYS_ADMIN"]}),
                _rule("chroot", includes={"caps": ["CAP_SYS_CHROOT"]}),
                _rule("reboot", includes={"caps": ["CAP_SYS_BOOT"]}),
                _rule("settimeofday clock_settime", includes={"caps": ["CAP_SYS_TIME"]}),
            ],
        }
    )
