"""Who gets which resources: books, order, gates and the pass that every DRF-like allocator module shares.

Pure like the rest of the core; allocator modules in ``modules/allocators`` put these parts together. The way of one
pass: :mod:`cycle` walks agents, :mod:`sorter` says whose turn it is, :mod:`gates` say whether the offer may be made,
:mod:`ledger` books it.
"""
