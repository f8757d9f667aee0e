"""Plain HTTP as both services need it: reading calls, holding streams open, and running the server.

Knows ASGI and uvicorn; knows nothing of Mesos' messages (``wire``) and nothing of decisions (``core``).
"""
