"""The registry: the little that must survive every master, and the pure operations that change it (M-HA-02)."""
