"""The local inference engine: continuous batching, with a KV cache that keeps its content between requests."""
