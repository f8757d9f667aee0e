"""The same messages in protobuf, which clients in Go and on the JVM speak: a table of numbers, a reader and a writer.

What a field is called, which type it has and whether it is required is said once, by the structs; what they cannot say
is the number that stands for it on the wire, and that is all there is in the table. Fields and values of ours that
Mesos does not have carry no number: they exist in JSON alone.
"""
