"""Proofs that a person can talk with it: a real browser, the real page, the real server and the real local agent."""
