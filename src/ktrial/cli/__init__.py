"""Commands only: parse, call, print, exit status."""
