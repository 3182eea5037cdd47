"""Find out from its sources what a program needs to run with this package. Nothing is executed."""
