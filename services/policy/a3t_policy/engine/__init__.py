"""The local inference engine: continuous batching with KV slots that outlive a request."""
