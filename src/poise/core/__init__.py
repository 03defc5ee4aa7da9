"""The words every room shares: ids, units, instruments, events, outputs, errors."""
