"""Real Kafka on this machine: the runtime, the nodes, the links between them, and what can be seen of them."""
