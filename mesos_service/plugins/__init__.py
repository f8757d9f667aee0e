"""What a module author sees: one interface per kind, verdicts, and the loader. Knows only ``domain``."""
