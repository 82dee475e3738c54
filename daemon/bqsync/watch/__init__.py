"""watch: a write to the file becomes a wake-up."""

from bqsync.watch.debounce import Debounce
from bqsync.watch.signals import Degraded, Signal
from bqsync.watch.watch import DatabaseWatch

__all__ = ["DatabaseWatch", "Debounce", "Degraded", "Signal"]
