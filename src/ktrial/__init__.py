"""ktrial puts Apache Kafka on trial."""

__version__ = "0.1.0"
