"""What masters and agents remember, in the shapes in which others read it. Pure functions of a state; nothing changes.

``legacy_*`` are the shapes of the old paths such as ``/state`` (Mesos docs, HTTP endpoints), ``*_v1`` those of
``POST /api/v1``. An answer is rendered and encoded without a pause in between, so it shows one moment.
"""
