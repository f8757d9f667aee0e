"""Filters of system calls: profiles in Docker's form are read, and made into programs for the kernel by libseccomp.

For ``linux/seccomp``; knows nothing of containers.
"""
