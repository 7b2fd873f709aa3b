"""Tools for tests of live agents: tagged audio, virtual time, voices. Not imported by the framework itself."""
