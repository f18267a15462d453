"""The local inference engine: continuous batching with a KV cache whose slots are kept between requests."""
