"""The command line: a module a command; parse arguments, call, print."""
