"""The pure core: small state machines that take a message and a time and return what to do.

No asyncio, no sockets, no clock, no logging here.
"""
