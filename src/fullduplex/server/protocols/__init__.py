"""The wire protocols, one module each; each gives a router for the application."""
