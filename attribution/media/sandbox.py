"""What the decoder may not do. Applied by the decoder to itself, after its imports and before it sees a byte of the file.

Everywhere that has them, resource limits: address space, processor time, no file may grow, few open files, no core dump.
On x86-64 Linux also a seccomp filter (see seccomp(2), bpf(4)): no network, no programs, no processes, no writing, renaming or removing
of files. Reading files stays possible, because the file is opened by its path. What is denied fails with EPERM until the process ends.
"""

import ctypes
import errno
import platform
import struct
import sys

# linux/audit.h, linux/seccomp.h, linux/prctl.h, linux/bpf_common.h, asm-generic/fcntl.h
_AUDIT_ARCH_X86_64 = 0xC000003E
_X32_CALL = 0x40000000
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER_MODE = 38, 22, 2
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_OR_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_CALL_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_WRITE_ONLY, _READ_WRITE, _CREATE, _TRUNCATE = 0o1, 0o2, 0o100, 0o1000
_NEW_THREAD = 0x00010000
_ANOTHER_PROCESS = 0xFFFFFFFF

_OPEN, _OPENAT, _CLONE, _PRLIMIT, _CLONE3, _OPENAT2 = 2, 257, 56, 302, 435, 437

# Numbers of arch/x86/entry/syscalls/syscall_64.tbl. io_uring could do all of this past a filter, so it goes too.
_DENIED = {
    "socket": 41,
    "connect": 42,
    "socketpair": 53,
    "bind": 49,
    "listen": 50,
    "fork": 57,
    "vfork": 58,
    "execve": 59,
    "execveat": 322,
    "kill": 62,
    "tkill": 200,
    "tgkill": 234,
    "rt_sigqueueinfo": 129,
    "rt_tgsigqueueinfo": 297,
    "pidfd_send_signal": 424,
    "pidfd_getfd": 438,
    "ptrace": 101,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "creat": 85,
    "truncate": 76,
    "ftruncate": 77,
    "rename": 82,
    "renameat": 264,
    "renameat2": 316,
    "mkdir": 83,
    "mkdirat": 258,
    "rmdir": 84,
    "unlink": 87,
    "unlinkat": 263,
    "link": 86,
    "linkat": 265,
    "symlink": 88,
    "symlinkat": 266,
    "mknod": 133,
    "mknodat": 259,
    "chmod": 90,
    "fchmod": 91,
    "fchmodat": 268,
    "fchmodat2": 452,
    "chown": 92,
    "fchown": 93,
    "lchown": 94,
    "fchownat": 260,
    "utimensat": 280,
    "setxattr": 188,
    "fsetxattr": 190,
    "mount": 165,
    "umount2": 166,
    "chroot": 161,
    "pivot_root": 155,
    "unshare": 272,
    "setns": 308,
    "open_by_handle_at": 304,
    "io_uring_setup": 425,
    "bpf": 321,
    "perf_event_open": 298,
    "userfaultfd": 323,
    "keyctl": 250,
    "add_key": 248,
    "request_key": 249,
    "memfd_create": 319,
}


def confine(memory_bytes: int, processor_seconds: int) -> bool:
    """Give up, for good, what a decoder does not need. Returns whether the seccomp filter is in place (False where there is none)."""
    _limit(memory_bytes, processor_seconds)
    return _filter_system_calls()


def _limit(memory_bytes: int, processor_seconds: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    wanted = {"RLIMIT_AS": memory_bytes, "RLIMIT_CPU": processor_seconds, "RLIMIT_FSIZE": 0, "RLIMIT_NOFILE": 32, "RLIMIT_CORE": 0}
    for name, value in wanted.items():
        # Some systems lack a limit or refuse to set it; those that exist are still worth having.
        limit = getattr(resource, name, None)
        if limit is None:
            continue
        try:
            hard = resource.getrlimit(limit)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(limit, (value, value))
        except (ValueError, OSError):
            continue


def _filter_system_calls() -> bool:
    if sys.platform != "linux" or platform.machine() != "x86_64" or struct.calcsize("P") != 8:
        return False
    program = _program()

    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))

    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong)
    if libc.prctl(_SET_NO_NEW_PRIVS, 1, None, 0, 0) != 0:
        return False
    described = Filter(len(program) // 8, program)
    return libc.prctl(_SET_SECCOMP, _FILTER_MODE, ctypes.addressof(described), 0, 0) == 0


def _program() -> bytes:
    """The filter as classic BPF: 8-byte instructions (code, jump if true, jump if false, constant)."""
    refuse, pretend_absent = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS

    def step(code: int, constant: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("=HBBI", code, if_true, if_false, constant)

    def argument_bits(call: int, argument: int, bits: int, if_set: int, if_clear: int) -> list[bytes]:
        return [
            step(_JUMP_EQUAL, call, 0, 4),
            step(_LOAD, _FIRST_ARGUMENT + 8 * argument),
            step(_JUMP_ANY_BIT, bits, 0, 1),
            step(_RETURN, if_set),
            step(_RETURN, if_clear),
        ]

    writing = _WRITE_ONLY | _READ_WRITE | _CREATE | _TRUNCATE
    lines = [
        step(_LOAD, _ARCHITECTURE),
        step(_JUMP_EQUAL, _AUDIT_ARCH_X86_64, 1, 0),
        step(_RETURN, _KILL_PROCESS),
        step(_LOAD, _CALL_NUMBER),
        step(_JUMP_GREATER_OR_EQUAL, _X32_CALL, 0, 1),
        step(_RETURN, _KILL_PROCESS),
        *argument_bits(_OPEN, 1, writing, refuse, _ALLOW),
        *argument_bits(_OPENAT, 2, writing, refuse, _ALLOW),
        *argument_bits(_CLONE, 0, _NEW_THREAD, _ALLOW, refuse),
        *argument_bits(_PRLIMIT, 0, _ANOTHER_PROCESS, refuse, _ALLOW),
    ]
    # clone3 and openat2 hide their flags behind a pointer; told that they are absent, the C library takes clone and openat.
    for call in (_CLONE3, _OPENAT2):
        lines += [step(_JUMP_EQUAL, call, 0, 1), step(_RETURN, pretend_absent)]
    for call in _DENIED.values():
        lines += [step(_JUMP_EQUAL, call, 0, 1), step(_RETURN, refuse)]
    lines.append(step(_RETURN, _ALLOW))
    return b"".join(lines)
