"""Client processes: each lives in a process of its own, so that it can be killed, and writes down what it does."""
