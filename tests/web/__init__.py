"""Tests of the web page in a real browser, against a scripted stand-in for the server."""
