"""Find out what a program needs to run with this package from its sources, without executing it."""
