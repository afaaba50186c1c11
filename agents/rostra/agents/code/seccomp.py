"""The system calls that sandboxed code may not make, as a classic BPF program for seccomp(2).

What is denied: anonymous files that no limit counts (memfd, SysV shared memory), keyrings, io_uring, tracing other processes,
performance counters and BPF, mounts and new namespaces, kernel modules and the clock, and every socket family but the ones that
the sandbox's own empty network namespace contains. Numbers: Linux's syscall tables for x86_64 and the generic one (aarch64).
"""

import platform
import struct
from typing import NamedTuple

LD, JEQ, JGE, JSET, RET = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS, EAFNOSUPPORT = 0x00050001, 0x00050026, 0x00050061
NUMBER, ARCHITECTURE, ARGUMENT_0 = 0, 4, 16
"""Offsets in `struct seccomp_data` (the low half of the first argument: both machines are little-endian)."""

NEW_NAMESPACES = 0x7E020000
"""The CLONE_NEW… flags of namespaces that clone(2) takes."""
FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. Not AF_VSOCK: a network namespace does not contain it."""

# name: (x86_64, aarch64); None: this machine has no such call
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "reboot": (169, 142),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "personality": (135, 92),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
}
# As if the kernel did not have them, so that programs take the older way.
_ABSENT: dict[str, tuple[int | None, int | None]] = {
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "clone3": (435, 435),
}


class Machine(NamedTuple):
    """What differs between processors."""

    architecture: int
    column: int
    clone: int
    socket: int
    socketpair: int
    foreign: int
    """Numbers from here on belong to another ABI (x32); 0: none do."""


MACHINES = {
    "x86_64": Machine(0xC000003E, 0, 56, 41, 53, 0x40000000),
    "aarch64": Machine(0xC00000B7, 1, 220, 198, 199, 0),
}


class UnknownMachine(NotImplementedError):
    """There is no filter for this processor."""


def build_filter(machine: str = "") -> bytes:
    """The program for `machine` (default: this one) as bwrap's `--seccomp` takes it; raises `UnknownMachine`."""
    known = MACHINES.get(machine or platform.machine())
    if known is None:
        raise UnknownMachine(f"no system call filter for the processor {machine or platform.machine()!r}")
    code = [_load(ARCHITECTURE), _jump(JEQ, known.architecture, 1, 0), _return(KILL), _load(NUMBER)]
    if known.foreign:
        code += [_jump(JGE, known.foreign, 0, 1), _return(KILL)]
    for table, verdict in ((_DENIED, EPERM), (_ABSENT, ENOSYS)):
        for numbers in table.values():
            number = numbers[known.column]
            if number is not None:
                code += [_jump(JEQ, number, 0, 1), _return(verdict)]
    code += [_jump(JEQ, known.clone, 0, 3), _load(ARGUMENT_0), _jump(JSET, NEW_NAMESPACES, 0, 1), _return(EPERM)]
    code += [_load(NUMBER)]
    allowed = [_jump(JEQ, family, len(FAMILIES) - place, 0) for place, family in enumerate(FAMILIES)]
    families = [_load(ARGUMENT_0), *allowed, _return(EAFNOSUPPORT)]
    code += [_jump(JEQ, known.socket, 1, 0), _jump(JEQ, known.socketpair, 0, len(families)), *families, _return(ALLOW)]
    return b"".join(code)


def _load(offset: int) -> bytes:
    return struct.pack("<HBBI", LD, 0, 0, offset)


def _jump(test: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("<HBBI", test, if_true, if_false, value)


def _return(verdict: int) -> bytes:
    return struct.pack("<HBBI", RET, 0, 0, verdict)
