"""Scripts that run in processes of their own, each around one speech engine, speaking frames over pipes.

They are started without importing `fullduplex`, so that a worker holds its engine and little else, and so that an
engine's licence stays in its own process.
"""
