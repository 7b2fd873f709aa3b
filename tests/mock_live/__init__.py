"""Tests of Mock Live. The pure parts open no socket and take no time."""
